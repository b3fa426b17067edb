/**
 * Asks the registries what is known against what is pinned: npm's advisories for package-lock.json,
 * Debian's mirrors for newer versions of the image's libraries, npm for a newer Node of the same line.
 * The workflow of a release scans image and bundles with grype beside, whose database is not a registry's.
 *
 *   npm run scan
 *
 * Exit code 1: a high or critical finding that a newer version mends, or a library of Debian that is
 * behind (a stable Debian changes one to mend it). 3: a source did not answer.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import * as z from 'zod';
import { ARCHITECTURES, PLATFORMS } from '../../images/agent/contents.ts';
import { type DebianPackage, readLock } from '../../images/agent/lock.ts';
import { newestDebianPackages } from '../../images/agent/relock.ts';

const PROJECT = join(import.meta.dirname, '../..');

/** What one source says. */
export interface Answer {
  readonly source: string;
  readonly says: string;
  readonly toMend: readonly string[];
  readonly isSilent?: true;
}

const Audit = z.union([
  z.object({
    vulnerabilities: z.record(
      z.string(),
      z.object({
        severity: z.string(),
        range: z.string(),
        fixAvailable: z.union([z.boolean(), z.object({ name: z.string(), version: z.string() })]),
      }),
    ),
    metadata: z.object({ dependencies: z.object({ total: z.int() }) }),
  }),
  z.object({ message: z.string() }),
]);

const HIGH = new Set(['high', 'critical']);

/** What `npm audit --json` says. */
export function advisories(printed: string): Answer {
  const source = 'npm’s advisories';
  const audit = Audit.parse(JSON.parse(printed));
  if ('message' in audit) {
    return { source, says: `not asked: ${audit.message}`, toMend: [], isSilent: true };
  }
  const found = Object.entries(audit.vulnerabilities);
  const toMend = found
    .filter(([, { severity, fixAvailable }]) => HIGH.has(severity) && fixAvailable !== false)
    .map(([name, { severity, range }]) => `${name} ${range}: ${severity}`);
  const { total } = audit.metadata.dependencies;
  return { source, says: `${found.length} of ${total} packages have one`, toMend };
}

/** The pinned libraries beside those that the mirrors have now. */
export function behind(
  platform: string,
  pinned: readonly DebianPackage[],
  newest: readonly DebianPackage[],
): Answer {
  const toMend = pinned.flatMap(({ name, version }) => {
    const now = newest.find(other => other.name === name)?.version;
    return now === version ? [] : [`${name} ${version}: Debian has ${now ?? 'it no more'}`];
  });
  const says = `${pinned.length - toMend.length} of ${pinned.length} libraries are the newest`;
  return { source: `Debian, ${platform}`, says, toMend };
}

/** stdout, whatever the exit code: `npm audit` fails where it finds something. */
const npm = (...words: string[]): Promise<string> =>
  new Promise(resolve => {
    execFile('npm', words, { cwd: PROJECT, maxBuffer: 64e6 }, (_, stdout) => resolve(stdout));
  });

async function node(): Promise<Answer> {
  const { version } = readLock().platforms['linux/amd64'].node;
  const line = version.split('.')[0];
  const printed = await npm('view', `node@${line}`, 'version', '--json', '--loglevel=error');
  const known = z.union([z.string(), z.array(z.string())]).parse(JSON.parse(printed));
  const byNumber = new Intl.Collator('en', { numeric: true });
  const last = [known].flat().sort(byNumber.compare).at(-1);
  const says = last === version ? `${version} is the newest of its line` : `${last} is there`;
  return { source: 'Node', says, toMend: [] };
}

async function asked(source: string, ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    const [why] = (error instanceof Error ? error.message : String(error)).split('\n');
    return { source, says: `not asked: ${why}`, toMend: [], isSilent: true };
  }
}

if (import.meta.main) {
  const lock = readLock();
  const answers = await Promise.all([
    asked('npm’s advisories', async () => advisories(await npm('audit', '--json'))),
    asked('Node', node),
    ...PLATFORMS.map(platform =>
      asked(`Debian, ${platform}`, async () => {
        const newest = await newestDebianPackages(ARCHITECTURES[platform]);
        return behind(platform, lock.platforms[platform].debian, newest);
      }),
    ),
  ]);
  for (const { source, says, toMend } of answers) {
    process.stdout.write(`${source}: ${says}\n${toMend.map(line => `  ${line}\n`).join('')}`);
  }
  if (answers.some(({ toMend }) => toMend.length > 0)) process.exitCode = 1;
  else if (answers.some(({ isSilent }) => isSilent)) process.exitCode = 3;
}

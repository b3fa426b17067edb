/**
 * Makes dist/: the plugin, the agent, its NVML process, and koffi's native module beside them. What plugin
 * and agent load later lies in files of its own: Node looks through all of a file before it runs any of it.
 * Neither needs node_modules at run time.
 *
 *   node kubectl-plugin/build.ts
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, parse, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import * as esbuild from 'esbuild';
import {
  asciiWidth,
  dottedPaths,
  embeddedKoffi,
  jsoncAsModule,
  koffiOfProgram,
  lazyBuiltins,
  nativeKoffi,
  plainAddresses,
  uncheckedZod,
  withoutAjv,
  withoutRequests,
} from './bundler-plugins.ts';
import { licencesOf } from './licences.ts';
import { packedTables } from './packed-tables.ts';

export const PLUGIN_BYTES_MAX = 2_500_000;
const AGENT_BYTES_MAX = 3_000_000;
const NVML_AGENT_BYTES_MAX = 150_000;

/** Platforms of the pod's image, as Node names them. */
const AGENT_PLATFORMS = ['linux-x64', 'linux-arm64'];

export interface Bundle {
  readonly entry: string;
  readonly output: string;
  readonly bytesMax: number;
  /** What it loads later is put into files beside it: NAME-HASH.mjs. */
  readonly inParts?: boolean;
  /** Only names are wanted of schemas (unchecked-zod.ts). */
  readonly unchecked?: boolean;
  /** It becomes part of an executable, with no file beside it. */
  readonly executable?: boolean;
  /** Node runs it only to write its heap down: CommonJS in one file, as Node wants it for that. */
  readonly snapshot?: boolean;
  /** The published image that a release names as its own. */
  readonly releaseImage?: string;
}

/** What `npm run build` makes of a project folder: entry and output of each bundle. */
export function bundlesOf(project: string): readonly Bundle[] {
  return [
    {
      entry: join(project, 'src/cli/main.ts'),
      output: join(project, 'dist/plugin.mjs'),
      inParts: true,
      bytesMax: PLUGIN_BYTES_MAX,
    },
    {
      entry: join(project, 'src/agent/main.ts'),
      output: join(project, 'dist/agent.mjs'),
      inParts: true,
      bytesMax: AGENT_BYTES_MAX,
    },
    {
      entry: join(project, 'src/agent/nvml-main.ts'),
      output: join(project, 'dist/nvml-agent.mjs'),
      bytesMax: NVML_AGENT_BYTES_MAX,
      unchecked: true,
    },
  ];
}

/** The files of a bundle in a folder: `agent.mjs` and its parts. */
export function filesOf(folder: string, name: string): readonly string[] {
  const isOurs = new RegExp(`^${name}(-[A-Z0-9]{8})?\\.mjs$`);
  return readdirSync(folder).filter(file => isOurs.test(file));
}

/**
 * Bundles one entry into minified JavaScript for Node 22 and later. What the code imports dynamically is not
 * evaluated before it is asked for; in parts it is not even read.
 * Throws when the entry is absent or does not compile.
 */
export async function bundle(wanted: Omit<Bundle, 'bytesMax'>): Promise<esbuild.Metafile> {
  if (!existsSync(wanted.entry)) throw new Error(`there is no ${wanted.entry} to bundle`);
  const name = parse(wanted.output).name;
  const result = await esbuild.build({
    entryPoints: { [name]: wanted.entry },
    outdir: dirname(wanted.output),
    outExtension: { '.js': wanted.snapshot ? '.cjs' : '.mjs' },
    splitting: wanted.inParts ?? false,
    chunkNames: `${name}-[hash]`,
    bundle: true,
    platform: 'node',
    format: wanted.snapshot ? 'cjs' : 'esm',
    target: 'node22',
    minify: true,
    legalComments: 'none',
    metafile: true,
    logLevel: 'error',
    // CommonJS dependencies may ask for something by a name that only they know.
    ...(!wanted.snapshot && {
      banner: {
        js: "const require=process.getBuiltinModule('node:module').createRequire(import.meta.url);",
      },
    }),
    define: {
      GPU_MCP_COMMIT: JSON.stringify(commit()) ?? 'undefined',
      GPU_MCP_RELEASE_IMAGE: JSON.stringify(wanted.releaseImage) ?? 'undefined',
      GPU_MCP_EXECUTABLE: wanted.executable ? 'true' : 'undefined',
      GPU_MCP_SNAPSHOT: wanted.snapshot ? 'true' : 'undefined',
      // What starts from a heap has no file; koffi asks for the name of one that it does not look for.
      ...(wanted.snapshot && { 'import.meta.url': '"file:///snapshot"' }),
    },
    // What zod has and unchecked-zod.ts does not.
    logOverride: { 'import-is-undefined': 'error' },
    plugins: [
      ...(wanted.unchecked ? [uncheckedZod] : []),
      ...[lazyBuiltins, koffiFor(wanted)],
      ...[withoutAjv, withoutRequests, dottedPaths, plainAddresses, asciiWidth],
      ...[jsoncAsModule, packedTables({ isLate: !wanted.snapshot })],
    ],
  });
  for (const file of Object.keys(result.metafile.outputs)) {
    writeFileSync(file, escaped(readFileSync(file, 'utf8')));
  }
  return result.metafile;
}

/**
 * What esbuild leaves of other characters stands in patterns. One of them, and V8 keeps the whole file at
 * two bytes a character: 1.3 MB of the agent, in its snapshot and in memory.
 */
const escaped = (code: string): string =>
  code.replaceAll(
    /[^\0-\x7f]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

const koffiFor = ({ executable, snapshot }: Pick<Bundle, 'executable' | 'snapshot'>) =>
  executable ? embeddedKoffi : snapshot ? koffiOfProgram : nativeKoffi;

/** What the sources are, where git knows. */
function commit(): string | undefined {
  const asked = spawnSync('git', ['rev-parse', 'HEAD'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  return asked.status === 0 ? asked.stdout.trim() : undefined;
}

/** Copies koffi's native modules that npm installed for this machine to dist/koffi/PLATFORM/. */
function copyNativeModules(project: string): readonly string[] {
  const copied: string[] = [];
  for (const platform of AGENT_PLATFORMS) {
    const from = join(
      project,
      `node_modules/@koromix/koffi-${platform}`,
      platform.replace('-', '_'),
      'koffi.node',
    );
    if (!existsSync(from)) continue;
    const folder = join(project, 'dist/koffi', platform);
    mkdirSync(folder, { recursive: true });
    cpSync(from, join(folder, 'koffi.node'));
    copied.push(join(folder, 'koffi.node'));
  }
  return copied;
}

export interface Built {
  /** One line per file made, with its size. */
  readonly lines: readonly string[];
  /** One sentence per bundle that grew past its limit. */
  readonly tooLarge: readonly string[];
}

/** Builds everything into dist/. Throws on the first entry that cannot be bundled. */
export async function buildAll(
  project: string,
  bundles: readonly Bundle[] = bundlesOf(project),
): Promise<Built> {
  rmSync(join(project, 'dist'), { recursive: true, force: true });
  const inputs = new Set<string>();
  const tooLarge: string[] = [];
  for (const { bytesMax, ...wanted } of bundles) {
    const { output } = wanted;
    const metafile = await bundle(wanted);
    for (const input of Object.keys(metafile.inputs)) inputs.add(input);
    const parts = filesOf(dirname(output), basename(output, '.mjs'));
    const size = sum(parts.map(part => statSync(join(dirname(output), part)).size));
    if (size > bytesMax) {
      tooLarge.push(`${relative(project, output)} has ${size} bytes, its limit is ${bytesMax}`);
    }
  }
  const licences = join(project, 'dist/LICENSES.txt');
  writeFileSync(licences, licencesOf(project, inputs));
  const made = bundles.map(({ output }) =>
    filesOf(dirname(output), basename(output, '.mjs')).map(part => join(dirname(output), part)),
  );
  const files = [...made, ...[...copyNativeModules(project), licences].map(file => [file])];
  return { lines: files.map(parts => sizeLine(project, parts)), tooLarge };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

/** Of a file, or of one and its parts, which stand behind it in the order of names. */
function sizeLine(project: string, parts: readonly string[]): string {
  const bytes = parts.map(part => readFileSync(part));
  const kilobytes = (counts: readonly number[]) =>
    `${(sum(counts) / 1000).toFixed(0)} kB`.padStart(8);
  const packed = bytes.map(part => gzipSync(part).length);
  const sizes = `${kilobytes(bytes.map(({ length }) => length))} ${kilobytes(packed)} gzip`;
  const files = parts.length === 1 ? '' : `, ${parts.length} files`;
  return `${sizes}${files}  ${relative(project, parts.toSorted((a, b) => a.length - b.length)[0] ?? '')}`;
}

if (import.meta.main) {
  const project = fileURLToPath(new URL('..', import.meta.url));
  try {
    const { lines, tooLarge } = await buildAll(project);
    for (const line of lines) process.stdout.write(`${line}\n`);
    for (const sentence of tooLarge) process.stderr.write(`build: ${sentence}\n`);
    if (tooLarge.length > 0) process.exitCode = 1;
  } catch (error) {
    // esbuild has already shown where in the source it failed.
    process.stderr.write(`build: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

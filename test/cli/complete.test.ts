import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { chosenBy } from '../../src/cli/command-line.ts';
import { dashed, optionOf } from '../../src/contract/flag.ts';
import { COMPLETION_MS_MAX } from '../../src/contract/limits.ts';
import { MACHINES } from '../../src/simulation/machine.ts';
import { TOOLS } from '../../src/tools/index.ts';
import type { FakeApiServer } from '../cluster/fake-api-server.ts';
import { pass } from '../fakes/deadlines.ts';
import { CONTEXTS, namedCluster } from './named-cluster.ts';
import { ioOf, run } from './run.ts';

let api: FakeApiServer;
let environment: Record<string, string>;
let folder: string;
beforeAll(async () => {
  api = await namedCluster();
  environment = { KUBECONFIG: await api.kubeconfig(CONTEXTS) };
  folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-complete-'));
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

interface Completed {
  readonly words: readonly string[];
  readonly directive: string;
}

async function complete(...typed: string[]): Promise<Completed> {
  return completedIn(environment, typed);
}

async function completedIn(
  environment: Readonly<Record<string, string>>,
  typed: readonly string[],
): Promise<Completed> {
  const { code, stdout, stderr } = await run(['__complete', ...typed], { environment });
  expect([code, stderr]).toEqual([0, '']);
  const lines = stdout.trimEnd().split('\n');
  const words = lines.slice(0, -1).map(line => line.split('\t')[0] ?? '');
  return { words, directive: lines.at(-1) ?? '' };
}

const FILES = ':0';
const NO_FILES = ':4';
const MACHINE_NAMES = ['help', ...MACHINES.map(({ name }) => name)];
const TOOL_NAMES = TOOLS.map(({ name }) => name);

type Position = readonly [line: string, words: readonly string[], directive?: string];

/** What stands behind the last blank is unfinished. */
const POSITIONS: readonly Position[] = [
  ['tri', ['triage']],
  ['c', ['call', 'capture', 'clean', 'completion', 'config', 'cronjob/'], ':6'],
  ['gpu-', ['gpu-a', 'gpu-b']],
  ['help ex', ['explain']],
  ['help explain ', []],
  ['triage ', ['gpu-a', 'gpu-b']],
  ['triage gpu-a ', ['gpu-b']],
  ['triage node/', ['node/gpu-a', 'node/gpu-b']],
  ['triage po', ['pod/'], ':6'],
  ['triage pod/', ['pod/train-0', 'pod/train-1']],
  ['triage -n other pod/', ['pod/web']],
  ['triage deployment/', []],
  ['triage pod/train-0 --profile ephemeral -c ', ['train-0-main', 'log', 'proxy']],
  ['triage pod/train-0 --profile ephemeral --container=l', ['--container=log']],
  ['-n other pod/web -c ', ['web-main', 'log', 'proxy']],
  ['triage gpu-a -c ', []],
  ['triage job', ['job/', 'jobset/'], ':6'],
  ['triage job/', ['job/train']],
  ['triage --simulate ', MACHINE_NAMES, FILES],
  ['triage --simulate=lost', ['--simulate=lost-gpu'], FILES],
  ['triage --simulate lost-gpu ', []],
  ['triage --sim', ['--simulate']],
  ['triage -q --q', []],
  ['triage --from x.gz --fr', ['--from']],
  ['triage --from ', [], FILES],
  ['triage -o ', ['text', 'json', 'yaml', 'markdown', 'html']],
  ['triage --color=al', ['--color=always']],
  ['triage --context ', ['fake', 'prod-a', 'prod b']],
  ['--context prod', ['prod-a', 'prod b']],
  ['triage --cluster ', ['fake']],
  ['triage --user ', ['alice']],
  ['triage -n ', ['gpu-mcp', 'other']],
  ['-n gpu-mcp tria', ['triage']],
  ['triage --since ', ['1h', '24h', '7d']],
  ['triage --reason ', []],
  ['triage --kubeconfig ', [], FILES],
  ['triage --as bob --as-group ops ', ['gpu-a', 'gpu-b']],
  ['call ', ['gpu-a', 'gpu-b']],
  ['call gpu-a get_gpu_', TOOL_NAMES.filter(name => name.startsWith('get_gpu_'))],
  ['call --simulate lost-gpu ', TOOL_NAMES],
  ['call gpu-a get_gpu_inventory --detail ', ['summary', 'full']],
  ['call gpu-a get_gpu_inventory --se', ['--selector', '--server', '--service-account']],
  ['call gpu-a analyze_xid_errors --severity ', ['critical', 'warning', 'info']],
  ['call gpu-a explain_failure --pod ', ['gpu-mcp/train-0', 'gpu-mcp/train-1']],
  ['nodes -o n', ['name']],
  ['explain ', []],
  ['explain 79 --place ', ['aws', 'gcp', 'azure', 'bare-metal']],
  ['analyze ', [], FILES],
  ['analyze kern.log --time-zone Europe/Be', ['Europe/Belgrade', 'Europe/Berlin']],
  ['diff ', [], FILES],
  ['diff a.gz ', ['gpu-a', 'gpu-b'], FILES],
  ['capture gpu-a -f ', [], FILES],
  ['manifest ', ['pod', 'namespace', 'rbac', 'policy']],
  ['manifest pod ', ['gpu-a', 'gpu-b']],
  ['manifest pod gpu-a ', []],
  ['clean ', ['gpu-mcp-gpu-a-x']],
  ['doctor ', ['gpu-a', 'gpu-b']],
  ['top gpu-a ', ['gpu-b']],
  ['config cu', ['cursor']],
  ['config cursor ', ['gpu-a', 'gpu-b']],
  ['completion ', ['bash', 'zsh', 'fish', 'powershell']],
  ['version -o ', ['text', 'json', 'yaml']],
  ['triage -- ', []],
];

test.each(POSITIONS.map(position => ({ position, line: position[0] })))(
  '$line<TAB>',
  async ({ position: [line, words, directive = NO_FILES] }) => {
    const completed = await complete(...line.split(' '));
    expect({ ...completed, words: completed.words.toSorted() }).toEqual({
      words: words.toSorted(),
      directive,
    });
  },
);

test('the first word is a command or a node, with what it means', async () => {
  const { stdout } = await run(['__complete', ''], { environment });
  expect(stdout).toContain(
    '\ntriage\tSays what is wrong with a node or a job, worst first, and what to do\n',
  );
  const { words } = await complete('');
  expect(words).toEqual(expect.arrayContaining(['serve', 'version', 'gpu-a']));
  expect(words).not.toContain('reap');
});

/** For a flag whose values nobody knows. */
const VALUES: Readonly<Record<string, string>> = {
  '--watch': '10s',
  ...{ '--parallel': '2', '--node-timeout': '9', '--seconds': '1', '--idle': '60' },
  ...{
    '--cpu': '1',
    '--memory': '1Mi',
    '--input': '{}',
    '--limit': '9',
    '--samples': '3',
    '--interval': '2s',
  },
};

/** A line of each command that lacks nothing, without its first word. */
const WHOLE: Readonly<Record<string, readonly string[]>> = {
  ...{ explain: ['79'], analyze: ['a.log'], capture: ['-f', 'a.gz'], diff: ['a.gz'] },
  ...{
    call: ['gpu-a', 'get_gpu_inventory'],
    manifest: ['pod'],
    completion: ['bash'],
    'verify-record': ['a.jsonl'],
  },
  ...{ config: ['cursor'] },
};

async function isAccepted(line: readonly string[]): Promise<boolean> {
  const chosen = await chosenBy(line, ioOf({ environment }).io);
  return !chosen || z.object(chosen.command.flags).safeParse(chosen.raw).success;
}

test('every word that is offered is accepted by the parser', async () => {
  const { words: first } = await complete('');
  const refused: string[] = [];
  const tried = new Set<string>();
  const check = async (line: readonly string[]) => {
    tried.add(line.join(' '));
    if (!(await isAccepted(line).catch(() => false))) refused.push(line.join(' '));
  };
  // A flag that several commands share is one: it is tried once.
  const seen = new Set<unknown>();
  for (const word of first) {
    const tools = word === 'call' ? TOOL_NAMES.map(tool => ['gpu-a', tool]) : undefined;
    for (const whole of tools ?? [WHOLE[word] ?? []]) {
      const line = [word, ...whole];
      await check(line);
      const flags = (await chosenBy(line, ioOf({ environment }).io))?.command.flags ?? {};
      for (const flag of (await complete(...line, '--')).words) {
        const key = Object.keys(flags).find(name => `--${dashed(name)}` === flag);
        const schema = flags[key ?? ''] ?? z.boolean();
        if (seen.has(schema)) continue;
        seen.add(schema);
        const isSwitch = key === undefined || optionOf(schema).type === 'boolean';
        const { words } = isSwitch ? { words: [] } : await complete(...line, flag, '');
        const values = words.length > 0 ? words : [VALUES[flag] ?? 'x'];
        for (const value of isSwitch ? [] : values) await check([...line, flag, value]);
        if (isSwitch) await check([...line, flag]);
      }
    }
  }
  for (const [line] of POSITIONS) {
    const typed = line.split(' ');
    const { words } = await complete(...typed);
    for (const word of words.slice(0, 3)) await check(withWhole([...typed.slice(0, -1), word]));
  }
  expect(refused).toEqual([]);
  expect(tried.size).toBeGreaterThan(300);
});

/** The words with what their command still lacks. */
function withWhole(line: readonly string[]): readonly string[] {
  const [command = ''] = line;
  const whole = WHOLE[command] ?? [];
  if (line.length === 1) return [...line, ...whole];
  return line.at(-1)?.startsWith('--') && !line.at(-1)?.includes('=') ? [...line, 'x'] : line;
}

test('nothing is created, whatever is completed', () => {
  expect(api.requests.map(({ method }) => method).filter(method => method !== 'GET')).toEqual([]);
});

const exec = (interactiveMode: string, folder: string) => ({
  ...{ apiVersion: 'client.authentication.k8s.io/v1', interactiveMode, command: 'sh' },
  args: [
    '-c',
    `echo code: 1234 >&2; echo >${folder}/began; [ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo >${folder}/alone; read -r word && echo >${folder}/asked`,
  ],
});

test.each(['no cluster', 'a refusal', 'Always', 'IfAvailable'])(
  'without an answer of the cluster commands are offered all the same: %s',
  async why => {
    if (why === 'a refusal') {
      const body = { kind: 'Status', apiVersion: 'v1', code: 403, reason: 'Forbidden' };
      api.answer = () => ({ code: 403, body });
    }
    const users = { users: [{ name: 'alice', user: { exec: exec(why, folder) } }] };
    const login = await api.kubeconfig(users, 'login');
    const KUBECONFIG = why === 'no cluster' ? '/nowhere/config' : login;
    const world = why === 'a refusal' ? environment : { KUBECONFIG };
    expect(await completedIn(world, ['tri'])).toEqual({ words: ['triage'], directive: NO_FILES });
    expect(await completedIn(world, ['triage', ''])).toEqual({ words: [], directive: NO_FILES });
    api.answer = () => undefined;
    // One that needs a terminal is not even begun.
    const began = readdirSync(folder);
    // Proc(5): it leads a session of its own, which has no terminal.
    expect(began).toEqual(why === 'IfAvailable' ? ['alone', 'began'] : []);
  },
);

test('a cluster that says nothing is waited for no longer than a person waits', async () => {
  api.answer = () => 'silence';
  const completing = complete('triage', '');
  await pass(COMPLETION_MS_MAX);
  expect((await completing).words).toEqual([]);
  api.answer = () => undefined;
});

test('the cluster is asked that the typed words name, whatever is in its name', async () => {
  const kubeconfig = await api.kubeconfig({}, "a b; 'c'");
  const { words } = await completedIn({}, [
    '--kubeconfig',
    kubeconfig,
    '--context=fake',
    'triage',
    '',
  ]);
  expect(words).toEqual(['gpu-a', 'gpu-b']);
});

test('the home stands for ~, as the shell will write it', async () => {
  const HOME = dirname(await api.kubeconfig({}, 'at-home'));
  const { words } = await completedIn({ HOME }, ['--kubeconfig', '~/at-home', 'triage', '']);
  expect(words).toEqual(['gpu-a', 'gpu-b']);
});

test('where no node says that it has GPUs, every node is offered', async () => {
  const nodes = api.list('nodes');
  for (const name of ['gpu-a', 'gpu-b']) api.remove('nodes', '', name);
  expect((await complete('triage', '')).words).toEqual(['cpu-1']);
  for (const node of nodes) api.put('nodes', node);
});

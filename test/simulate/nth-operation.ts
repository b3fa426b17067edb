import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ANNOTATIONS, LABELS, MANAGED_BY } from '../../src/contract/labels.ts';
import type { Json } from '../cluster/fake-objects.ts';
import type { Answers } from './answers.ts';
import type { Fault, RequestFault, StreamFault } from './faults.ts';
import { metadataOf } from './kubernetes.ts';
import type { Run } from './laptop.ts';
import { FLEET_NODES } from './plan.ts';
import type { Simulator, World } from './world.ts';

/**
 * Each command once as it should be, and then once more for each of its operations on the world (a
 * request, a frame of the stream, a file, a child process), with that one failing.
 */
const FILE = 'bundle.json.gz';
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  triage: ['triage', 'node-a'],
  'triage as JSON': ['triage', 'node-a', '-o', 'json'],
  'triage in a bare pod': ['triage', 'node-a', '--lifetime', 'pod'],
  'triage --fleet': ['triage', '--fleet', ...FLEET_NODES],
  call: ['call', 'node-a', 'get_gpu_inventory'],
  capture: ['capture', 'node-a', '-f', FILE],
  clean: ['clean'],
  nodes: ['nodes'],
};
const IMAGE = ['--image', 'example/gpu-mcp:1'];

const REQUEST_FAULTS: readonly RequestFault[] = [
  ...(['lost', 'done and lost', 'silence', 'garbage', 'cut body'] as const),
  ...(['401', '403', '500', 'a login page', 'an empty object', 'no items'] as const),
];
/** What also all requests from one on may meet. */
const LASTING: readonly RequestFault[] = ['lost', 'silence', 'a login page'];
const STREAM_FAULTS: readonly StreamFault[] = ['cut', 'silence', 'garbage', 'closed', 'failure'];
const FILE_FAULTS = ['EIO', 'EACCES', 'ENOENT', 'EMFILE'] as const;

/** One operation that fails, or from it on all of its kind. */
interface Failure {
  readonly what: string;
  readonly faults: readonly Fault[];
  readonly file?: { readonly nth: number; readonly code: string };
}

export interface Tried {
  readonly runs: number;
  readonly wrong: readonly string[];
}

export async function failEveryOperation(
  simulator: Simulator,
  answers: Answers,
  trace: (lines: readonly string[]) => void,
): Promise<Tried> {
  let runs = 0;
  const wrong: string[] = [];
  for (const [name, argv] of Object.entries(COMMANDS)) {
    const whole = await once(simulator, answers, argv, { what: 'nothing', faults: [] });
    if (whole.run.code !== 0) wrong.push(`${name}: ${whole.run.err()}`);
    for (const failure of failuresOf(whole)) {
      runs += 1;
      const { run, world, violations } = await once(simulator, answers, argv, failure);
      const found = [...violations, ...judged(run, whole.run), ...simulator.unhandled];
      if (found.length === 0) continue;
      wrong.push(`${name}, ${failure.what}: ${found.join('; ')}`);
      trace(world.trace);
    }
  }
  return { runs, wrong };
}

type Whole = Awaited<ReturnType<typeof once>>;

function failuresOf({ requests, frames, files }: Whole): readonly Failure[] {
  const each = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
  return [
    ...each(requests).flatMap(nth =>
      REQUEST_FAULTS.flatMap(what =>
        (LASTING.includes(what) ? [1, 1_000] : [1]).map(times => ({
          what: `request ${nth}${times > 1 ? ' and all after it' : ''}: ${what}`,
          faults: [{ on: 'request' as const, of: 'any' as const, nth, times, what }],
        })),
      ),
    ),
    ...each(frames).flatMap(nth =>
      STREAM_FAULTS.map(what => ({
        what: `frame ${nth}: ${what}`,
        faults: [{ on: 'stream' as const, nth, what }],
      })),
    ),
    ...each(files).flatMap(nth =>
      FILE_FAULTS.map(code => ({
        what: `operation ${nth} on a file or process: ${code}`,
        faults: [],
        file: { nth, code },
      })),
    ),
  ];
}

/** A limit for any command under one failure: its waits, one after the other. */
const RUN_MS_MAX = 400_000;
const AFTER_MS_MAX = 60_000;

async function once(
  simulator: Simulator,
  answerOf: Answers,
  argv: readonly string[],
  { faults, file }: Failure,
) {
  const world = simulator.begin({
    traits: {
      jobControllerMs: 50,
      containerStartMs: 300,
      collectorMs: 100,
      statusMs: 20,
      suspendsJobs: false,
      imageFails: false,
      lacks: undefined,
    },
    ...{ denied: [], latencyMs: 5, slowMs: 0, faults, answerOf },
    nodes: FLEET_NODES,
  });
  if (argv[0] === 'clean') putLeftover(world);
  let files = 0;
  world.laptop.disturb = operation => {
    files += 1;
    if (file?.nth !== files) return undefined;
    world.say(`-- ${operation}: ${file.code}`);
    return Object.assign(new Error(`${file.code}: ${operation}`), { code: file.code });
  };
  const output = join(simulator.folder, FILE);
  rmSync(output, { force: true });
  const words = argv.map(word => (word === FILE ? output : word));
  const needsPod = argv.includes('node-a');
  const run = world.laptop.run([...words, ...(needsPod ? IMAGE : [])]);
  const violations: string[] = [];
  await world.until(() => !run.process.alive, RUN_MS_MAX);
  if (run.process.alive) violations.push('it hangs');
  run.process.end();
  if (run.code === 0 && argv[0] === 'capture' && !existsSync(output)) violations.push('no file');
  const spare = readdirSync(simulator.folder).filter(name => name.endsWith('.tmp'));
  if (spare.some(name => !run.err().includes(name))) violations.push(`${spare} is left`);
  for (const name of spare) rmSync(join(simulator.folder, name));
  world.calm();
  if (needsPod) {
    await world.until(() => leftIn(world).length === 0, AFTER_MS_MAX);
    const left = leftIn(world);
    if (left.length > 0) violations.push(`${left} is left`);
  } else if (run.code === 0 && !/kept: /.test(run.out()) && leftIn(world).length > 0) {
    violations.push(`clean leaves ${leftIn(world)}`);
  }
  return { run, world, violations, requests: world.requests, frames: world.frames, files };
}

const leftIn = ({ kubernetes }: World): readonly string[] =>
  ['jobs', 'pods'].flatMap(resource =>
    kubernetes.list(resource).map(one => `${resource}/${metadataOf(one)['name']}`),
  );

function putLeftover({ kubernetes }: World): void {
  const metadata: Json = {
    namespace: 'gpu-mcp',
    name: 'gpu-mcp-node-a-x',
    labels: { [LABELS.managedBy]: MANAGED_BY },
    annotations: { [ANNOTATIONS.user]: 'alice', [ANNOTATIONS.expires]: '2020-01-01T00:00:00Z' },
  };
  const conditions = [{ type: 'Complete', status: 'True' }];
  kubernetes.put('jobs', { metadata, spec: {}, status: { conditions } });
}

/** An answer, with a gap or whole, or a clear error. */
function judged(run: Run, whole: Run): readonly string[] {
  const found: string[] = [];
  const { code } = run;
  const [out, err] = [run.out(), run.err()];
  if (![0, 2, 3, 4, 5].includes(code ?? -1)) found.push(`exit code ${code}`);
  if ((code === 5) !== /\d not read\b/.test(out)) found.push(`exit code ${code} of ${out}`);
  if (code !== 0 && !/^error: /m.test(err)) found.push('no word of what failed');
  if (/^\s+at /m.test(out + err)) found.push('a stack trace');
  if (/^HEALTHY|"verdict": ?"healthy"|\d healthy/m.test(out)) found.push('healthy');
  if (code === 0 && /nothing of ours is left/.test(out)) found.push('"nothing is left"');
  if (code === 0 && withoutAsked(out) !== withoutAsked(whole.out()) && !isGap(out))
    found.push(`another page: ${out}`);
  if (code !== 0 && out !== '' && !/UNKNOWN|deleted|"unknown"|NOT READ/.test(out))
    found.push(`a page: ${out}`);
  return found;
}

/** What was asked once more was asked once more: the page counts it, and says nothing else. */
const withoutAsked = (page: string): string =>
  page
    .replaceAll(/\b\d+ requests?,\s+[\d,.]+ (?:bytes|[kM]iB)/g, 'n requests')
    .replaceAll(/("(?:requests|bytes)": )\d+/g, '$1n');

const isGap = (page: string): boolean =>
  /Gap: not read of the cluster|kept: it is a session of|"unavailable": \{|\d+ bytes in /.test(
    page,
  );

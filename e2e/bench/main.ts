/**
 * Measures the product against its peers and prints one table of ratios, all taken in one run.
 *
 *   node e2e/bench/main.ts [--only P1,P6] [--keep] [--runs 11] [--calls 300] [--log-mb 1000] [--executable FILE]
 *     [--before FILE] [--json FILE]
 */
import { writeFileSync } from 'node:fs';
import { argv, exit, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { scenarioMatrix } from '../../test/scenarios/index.ts';
import { beforeRows, commandRows } from './commands.ts';
import { fleetRows, sessionRows } from './fleet.ts';
import { imageRows, memoryRows } from './footprint.ts';
import { journalRows } from './journal.ts';
import { analyseRows, kmsgRows } from './kernel-log.ts';
import { thisMachineRows } from './on-this-machine.ts';
import { oneCallRows } from './one-call.ts';
import { openSessionRows } from './open-session.ts';
import { outlierRows, stragglerRows } from './outliers.ts';
import { NotMeasured, type Row, tableOf } from './row.ts';
import { Scope } from './scope.ts';
import { startRows } from './starting.ts';
import { triageRows } from './triage.ts';
import { type Settings, World } from './world.ts';

/** In the order of the table. `--only P6` selects both of its parts. */
const PARTS: readonly {
  readonly id: string;
  readonly rows: (world: World) => Promise<readonly Row[]>;
}[] = [
  { id: 'S1', rows: commandRows },
  { id: 'S2', rows: beforeRows },
  { id: 'P1', rows: startRows },
  { id: 'P2', rows: oneCallRows },
  { id: 'P3', rows: openSessionRows },
  { id: 'P4', rows: triageRows },
  { id: 'P5', rows: thisMachineRows },
  { id: 'P6', rows: imageRows },
  { id: 'P6', rows: memoryRows },
  { id: 'K1', rows: analyseRows },
  { id: 'K2', rows: kmsgRows },
  { id: 'K3', rows: journalRows },
  { id: 'O1', rows: outlierRows },
  { id: 'O2', rows: stragglerRows },
  { id: 'F1', rows: sessionRows },
  { id: 'F2', rows: fleetRows },
];

const USAGE =
  'Usage: npm run bench -- [--only S1,S2,P1,P2,P3,P4,P5,P6,K1,K2,K3,O1,O2,F1,F2] [--keep] [--runs N] [--calls N] [--log-mb N] [--executable FILE] [--json FILE]\n';

interface BenchChoice {
  readonly settings: Settings;
  readonly ids: ReadonlySet<string>;
  readonly json: string | undefined;
}

/** What the command line asks for; undefined when it cannot be understood. */
function wanted(args: readonly string[]): BenchChoice | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        only: { type: 'string' },
        keep: { type: 'boolean', default: false },
        runs: { type: 'string', default: '11' },
        calls: { type: 'string', default: '300' },
        'log-mb': { type: 'string', default: '1000' },
        executable: { type: 'string' },
        before: { type: 'string' },
        json: { type: 'string' },
      },
    });
    const known = new Set(PARTS.map(({ id }) => id));
    const ids = values.only === undefined ? known : new Set(values.only.split(','));
    const numbers = [values.runs, values.calls, values['log-mb']].map(Number);
    if (![...ids].every(id => known.has(id))) return undefined;
    if (!numbers.every(number => Number.isInteger(number) && number > 0)) return undefined;
    const [runs = 0, calls = 0, logMegabytes = 0] = numbers;
    const { keep, executable, before } = values;
    const settings = { keep, runs, calls, logBytes: logMegabytes * 1_000_000, executable, before };
    return { settings, ids, json: values.json };
  } catch {
    return undefined;
  }
}

/** Measures and prints; gives the exit code: 1 when something that should be measured was not. */
async function bench({ settings, ids, json }: BenchChoice, scope: Scope): Promise<number> {
  const world = new World(settings, scope, report);
  const rows: Row[] = [];
  let failed = 0;
  for (const { id, rows: measure } of PARTS) {
    if (!ids.has(id)) continue;
    report(`measuring ${id}`);
    try {
      rows.push(...(await measure(world)));
    } catch (error) {
      scope.signal.throwIfAborted();
      const note = error instanceof Error ? error.message : String(error);
      const skipped = error instanceof NotMeasured;
      if (!skipped) failed += 1;
      rows.push({ name: id, ours: skipped ? 'not measured' : 'FAILED', note, samples: {} });
    }
  }
  stdout.write(tableOf(rows));
  if (ids.size === new Set(PARTS.map(({ id }) => id)).size) {
    report('playing the scenarios');
    stdout.write(`\n${await scenarioMatrix()}\n`);
  }
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ settings, rows }, null, 1)}\n`);
  return failed === 0 ? 0 : 1;
}

const report = (line: string): void => void stderr.write(`${line}\n`);

async function main(): Promise<number> {
  const asked = wanted(argv.slice(2));
  if (!asked) {
    stderr.write(USAGE);
    return 2;
  }
  const scope = new Scope();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (scope.signal.aborted) return report('taking everything down');
      scope.stop(`interrupted by ${name}`);
    });
  }
  let code = 130;
  try {
    code = await bench(asked, scope);
  } catch (error) {
    report(error instanceof Error ? error.message : String(error));
    if (!scope.signal.aborted) code = 1;
  }
  const left = await scope.end();
  for (const error of left) report(`not taken down: ${error}`);
  return left.length > 0 ? 1 : code;
}

exit(await main());

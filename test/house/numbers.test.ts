import { expect, test } from 'vitest';
import * as limits from '../../src/contract/limits.ts';
import { THRESHOLDS } from '../../src/findings/support/thresholds.ts';
import { DEFAULT_LIMITS } from '../../src/session/pod-spec.ts';
import { DEGRADATIONS } from '../matrix/degradations.ts';
import { FIELD_MACHINES } from '../matrix/field-machines.ts';
import { KINDS } from '../matrix/kinds.ts';
import { PLATFORM_MACHINES } from '../matrix/platform-machines.ts';
import { TICKET_MACHINES } from '../matrix/ticket-machines.ts';
import { THREADS } from '../scenarios/threads.ts';
import { WELL_THREADS } from '../scenarios/threads-well.ts';
import { read } from './files.ts';

/** Numbers of the documents: each is of the code, or of data, or has the command that makes it. */

/** A page with its lines as one, so that a sentence may break anywhere. */
const textOf = (page: string) => read(page).replaceAll(/\s+/g, ' ');

const seconds = (ms: number) => `${ms / 1_000} s`;
const mib = (bytes: number) => `${bytes / 1024 ** 2} MiB`;
const kib = (bytes: number) => `${bytes / 1024} KiB`;
const percent = (share: number) => `${Math.round(share * 100)} %`;
const whole = (count: number) => count.toLocaleString('en-US');

const { heldShare, slowClockShare } = THRESHOLDS;

/** What a page says of a bound that the code holds. */
const TOLD: Readonly<Record<string, readonly string[]>> = {
  'README.md': [
    `${seconds(limits.AGENT_FIRST_BYTE_MS_MAX)} (\`--no-image\`: ${limits.CARRY_FIRST_BYTE_SECONDS} s) without a first byte`,
    `${seconds(limits.AGENT_IDLE_MS_MAX)} without a ping`,
    `the pod's deadline, ${limits.POD_LIFE_SECONDS / 3_600} h`,
  ],
  'SECURITY.md': [
    `at most ${whole(limits.JOB_LOG_LINES_MAX)} lines and ${mib(limits.JOB_LOG_BYTES_MAX)} a request, of ${limits.PEER_LOGS_MAX} other pods ${whole(limits.PEER_LOG_LINES_MAX)} lines and ${kib(limits.PEER_LOG_BYTES_MAX)} each`,
    `${seconds(limits.AGENT_FIRST_BYTE_MS_MAX)} after a start to which nobody speaks, ${limits.AGENT_IDLE_MS_MAX / 60_000} minutes after the last`,
    `a pod that has ${limits.OWN_CONTAINERS_MAX} of ours gets no more`,
    `${whole(limits.TERMINATION_MESSAGE_BYTES_MAX)} bytes at most`,
  ],
  'docs/admins.md': [`without them ${DEFAULT_LIMITS.cpu} CPUs and ${DEFAULT_LIMITS.memory}`],
  'docs/air-gapped.md': [
    `${limits.CARRY_FIRST_BYTE_SECONDS} s without a first byte and ${limits.CARRY_SILENCE_SECONDS} s without any further`,
    // An hour for what the archive has, rounded up to a whole KB.
    `a link of ${Math.ceil(49_000 / limits.POD_LIFE_SECONDS)} KB/s gets the 49 MB over in the pod's hour`,
  ],
  'docs/architecture.md': [
    `A call that hung is not made again for ${seconds(limits.NVML_HANG_KEPT_MS)}`,
  ],
  'docs/jobs.md': [
    `At most ${limits.JOB_NODES_MAX} nodes are asked`,
    `Logs of the ${limits.PEER_LOGS_MAX} pods that ended first`,
    `${word(limits.PACE_LOOKS)} looks within ${seconds(limits.PACE_MS)}`,
    `(${seconds(limits.PACE_WAIT_MS_MAX)} after the first one at the latest`,
    `a reason held for ${percent(heldShare.value)} of the time`,
    `${percent(1 - slowClockShare.value)} below the others' shares of their own maxima`,
  ],
  'docs/performance.md': [`within the ${seconds(limits.NODE_ANSWER_MS_MAX)} that each has`],
  'docs/reliability.md': [
    `the driver within ${limits.TOOL_CALL_MS_MAX / 1_000}`,
    `tried again for ${seconds(limits.REMOVE_MS_MAX)}, then beside us`,
    `${seconds(limits.AGENT_FIRST_BYTE_MS_MAX)} without a first byte; ${seconds(limits.AGENT_IDLE_MS_MAX)} without any`,
    `${limits.CARRY_FIRST_BYTE_SECONDS} s without a first byte; ${limits.CARRY_SILENCE_SECONDS} s without any`,
    `every ${seconds(limits.REAP_RETRY_MS)} for ${limits.REAP_MS_MAX / 60_000} minutes`,
    `not confirmed in ${seconds(limits.REMOVE_MS_MAX)}`,
    `not waited for beyond ${seconds(limits.WHO_AM_I_MS_MAX)}`,
    `the pod is looked at every ${seconds(limits.POD_LOOK_AGAIN_MS)}`,
    `${seconds(limits.AGENT_FOREIGN_MS)} after its first line`,
    `(${seconds(limits.AGENT_INITIALIZE_MS_MAX)} without \`get pods/log\`)`,
    `after ${seconds(limits.TOOL_CALL_MS_MAX)}, while the agent answers pings`,
    `pinged after ${seconds(limits.CALL_PING_AFTER_MS)} without a word and must have said something ${seconds(limits.CALL_PONG_MS_MAX)} later`,
    `It is late ${seconds(limits.LEASE_LATE_MS)} after`,
    `a Job that has no pod after ${seconds(limits.JOB_POD_MS_MAX)} gives way`,
  ],
  'docs/simulation.md': [`It has ${mib(limits.MACHINE_BYTES_MAX)}, 64 GPUs`],
};

function word(count: number): string {
  return ['none', 'one', 'two', 'three', 'four', 'five', 'six'][count] ?? String(count);
}

test.each(Object.entries(TOLD).flatMap(([page, texts]) => texts.map(text => [page, text])))(
  '%s tells a bound as the code holds it: %s',
  (page = '', text) => {
    expect(textOf(page).includes(text)).toBe(true);
  },
);

test('docs/performance.md counts the machines of test/matrix as they are', () => {
  const lots = [...FIELD_MACHINES, ...TICKET_MACHINES, ...PLATFORM_MACHINES];
  const faults = lots.filter(({ told }) => told !== undefined).length;
  const threads = [...THREADS, ...WELL_THREADS];
  const well = threads.filter(({ truth }) => truth === 'healthy').length;
  const page = textOf('docs/performance.md');
  for (const told of [
    `${DEGRADATIONS.length} machines | 0 healthy`,
    `${faults} machines in three lots`,
    `${lots.length - faults} machines in the same lots`,
    `machines of ${Object.keys(KINDS).length} kinds`,
    `${threads.length} machines, ${well} of them well`,
  ]) {
    expect(page.includes(told), told).toBe(true);
  }
});

/** Scripts, tests, programs of the project, or what times one of the product's commands. */
const COMMAND =
  /`[^`]*\b(?:npm (?:run|test)|npx vitest|node (?:e2e|test|images)\/|kubectl(?:-| )gpu.mcp |[\w/.-]+\.(?:test|slow|e2e)\.ts)[^`]*`|^npx vitest|^npm run/m;

/** A table whose cells were measured or counted: times, sizes, shares. */
const MEASURED = /^\|.*\d(?:\.\d+)? ?(?:ms|s|MB|KB|GB|x|%|MB\/s)\b.*\|$/m;

/** What stands below this heading is said to have no command. */
const BY_HAND = '## Measured once, by hand';

test('each section with measured figures names the command that makes them, or says that there is none', () => {
  const without = ['docs/performance.md', 'docs/reliability.md', 'docs/testing.md'].flatMap(page =>
    read(page)
      .split(/^(?=## )/m)
      .filter(section => MEASURED.test(section) && !section.startsWith(BY_HAND))
      .filter(section => !COMMAND.test(section))
      .map(section => `${page} ${section.split('\n')[0]}`),
  );
  expect(without).toEqual([]);
});

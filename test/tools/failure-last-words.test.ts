import { describe, expect, test } from 'vitest';
import type { ClusterView } from '../../src/contract/cluster-view.ts';
import { present } from '../../src/contract/reading.ts';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { explainFailure } from '../../src/tools/catalog/explain-failure.ts';
import { FailureAnswer } from '../../src/tools/support/failure-answer.ts';
import { answered } from '../fakes/answers.ts';
import { aContainer, aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsFor } from '../fakes/instruments.ts';

/** What explain_failure tells of words that are no cause by themselves. */

const ended = {
  ...{ exitCode: 1, reason: 'Error', message: '' },
  ...{ startedAt: '2026-03-01T09:00:00Z', finishedAt: '2026-03-01T12:00:00Z' },
};
const POD = aPod({ phase: 'Failed', containers: [aContainer({ state: 'terminated', ended })] });

const logOf = (...lines: string[]) =>
  readJobLog({
    ...{ container: 'main', previous: false, requests: 1, bytes: 100, cut: false },
    text: `${lines.join('\n')}\n`,
  });

async function explained(changed: Partial<ClusterView>, usedMib = 1, pod = POD) {
  const { name, namespace } = pod;
  const sees = { sharedMemoryMib: { size: 64, used: usedMib } };
  const machine = machineFrom('full', {
    like: 'dgx-h100',
    pods: [{ name, namespace, gpus: [3], sees }],
  });
  const alone = await answered(explainFailure, { pod: name, namespace }, instrumentsFor(machine));
  const joined = alone.joined(aView({ pod: present(pod), podEvents: present([]), ...changed }));
  return { ...FailureAnswer.parse(joined.structured), text: joined.text };
}

test('a crash after the program had said that it was done is told with that', async () => {
  const words = (said: string) =>
    `before that the program had said that it was done ("${said}"): its results may be complete`;
  const crash = ['terminate called without an active exception', 'Aborted (core dumped)'];
  const said = 'Training complete';
  const log = present(logOf('2026-03-01T11:59:00Z Training complete', ...crash));
  expect((await explained({ log })).against).toContain(words(said));
  const working = await explained({ log: present(logOf('step 7', ...crash)) });
  expect(working.against.join()).not.toContain('that it was done');
});

test('an error after which the program said that it was done may have ended nothing', async () => {
  const log = present(logOf('step 1', 'ValueError: bad token', 'Training complete'));
  const answer = await explained({ log });
  expect(answer).toMatchObject({ fault: 'application', confidence: 'low' });
  expect(answer.against).toContain(
    'after that the program said that it was done ("Training complete")',
  );
  const plain = await explained({ log: present(logOf('step 1', 'ValueError: bad token', 'bye')) });
  expect(plain).toMatchObject({ fault: 'application' });
  expect(plain.confidence).not.toBe('low');
  expect(plain.against.join()).not.toContain('said that it was done');
});

const PHASES = ['Failed', 'Succeeded'] as const;
test.each(PHASES.map(phase => ({ phase })))(
  'an error in the log of a container that ended well asks nothing: $phase',
  async ({ phase }) => {
    const well = aPod({
      phase,
      containers: [aContainer({ state: 'terminated', ended: { ...ended, exitCode: 0 } })],
    });
    const log = present(logOf('step 1', 'ValueError: bad token'));
    const answer = await explained({ log }, 1, well);
    expect(['watch', 'none']).toContain(answer.action);
    expect(answer.fault === 'unknown' || answer.confidence === 'low').toBe(true);
    expect(answer.against).toContain(
      'its container ended with exit code 0: what its log tells of may have ended nothing',
    );
  },
);

test('where the last lines are too long to be read, nothing is said of how the log ends', async () => {
  const read = logOf('ValueError: bad token');
  const of = (log: typeof read) => explained({ log: present(log) });
  const cut = await of({ ...read, cut: true, newestUnread: true });
  const words =
    'the last lines of its log are too long to be read: what it wrote last is not known';
  expect(cut.against).toContain(words);
  expect(cut.text).toContain(', older lines not read, nor the newest');
  const whole = await of(read);
  expect(whole.against).not.toContain(words);
  expect(whole.text).not.toContain('nor the newest');
});

test('of another pod whose log has no line of a known form, the last line is quoted', async () => {
  const finishedAt = '2026-03-01T11:50:00Z';
  const end = { pod: 'train-3', node: 'gpu-7', exitCode: 1, reason: 'Error', finishedAt };
  const of = async (...lines: string[]) => {
    const peers = [{ ...end, log: present(logOf(...lines)) }];
    return explained({ job: present({ name: 'JobSet/train', pods: 4, failed: 2, peers }) });
  };
  const silent = await of('solver: diverged after 7 sweeps');
  expect(silent.text).toContain(
    'its log: no line of a known form; the last line: "solver: diverged after 7 sweeps"',
  );
  const known = await of('ValueError: bad token');
  expect(known.text).not.toContain('no line of a known form');
  expect(known.job?.peers[0]).not.toHaveProperty('unknown');
});

test('a launcher that saw SIGBUS names no cause, and a full /dev/shm explains it', async () => {
  const log = present(
    logOf('ERROR: failed (exitcode: -7) local_rank: 2 (pid: 7) of binary: python'),
  );
  const full = await explained({ log }, 63);
  expect(full).toMatchObject({ fault: 'configuration', confidence: 'high' });
  expect(full.why[1]).toContain('Launcher saw a bus error (SIGBUS)');
  const free = await explained({ log });
  expect(free.why.join()).not.toContain('is full');
  expect(free.why.join()).toContain('SIGBUS');
});

describe.each([
  [143, 'SIGTERM', 'Received SIGTERM'],
  [137, 'SIGKILL', 'Killed'],
])('a job that was started anew and ended with exit code %i', (exitCode, signal, word) => {
  const killed = aPod({
    phase: 'Failed',
    containers: [aContainer({ state: 'terminated', ended: { ...ended, exitCode } })],
  });
  const toldAfter = (steps: number) =>
    explained(
      {
        log: present(
          logOf(
            'step 1',
            'RuntimeError: CUDA error: uncorrectable ECC error encountered',
            '[default] Worker group FAILED. 2/3 attempts left; will restart worker group',
            ...Array.from({ length: steps }, (_, at) => `step ${at} loss 1`),
            word,
          ),
        ),
      },
      1,
      killed,
    );

  test('after it had worked on blames no machine, and names the signal', async () => {
    const answer = await toldAfter(500);
    expect(answer).toMatchObject({ fault: 'unknown', action: 'watch' });
    expect(answer.why.join()).toContain(`it ended by ${signal} (exit code ${exitCode})`);
    expect(answer.text).not.toMatch(/Drain the GPU|reset it/);
  });

  test('at once may have ended of the fault, and asks no action for it', async () => {
    const answer = await toldAfter(1);
    expect(answer).toMatchObject({ fault: 'hardware', confidence: 'low', action: 'watch' });
    expect(answer.why).toContain(`it ended by ${signal} (exit code ${exitCode})`);
    expect(answer.advice).toBe('Ask triage_gpu_node: only the driver and the kernel log prove it.');
  });
});

test('a line of the program’s own does not take the place of how it ended and of the kernel log', async () => {
  const words = 'ERROR: some words that nobody has seen before';
  const by = (exitCode: number, line = words) =>
    explained(
      { log: present(logOf('step 1', line)) },
      1,
      aPod({
        phase: 'Failed',
        containers: [aContainer({ state: 'terminated', ended: { ...ended, exitCode } })],
      }),
    );
  const killed = await by(137);
  expect(killed).toMatchObject({ fault: 'unknown' });
  expect(killed.why[0]).toBe('it ended by SIGKILL (exit code 137)');
  expect(killed.why.join()).toContain('nobody has seen before');
  const failed = await by(1);
  // Exit code 1 alone says so with this confidence: a line that says the same takes nothing from it.
  expect(failed).toMatchObject({ fault: 'application', confidence: 'medium' });
  const other = await by(1, 'ERROR: gave up after 30 s while trying to connect to (head, 1234)');
  expect(other).toMatchObject({ fault: 'fabric', confidence: 'low' });
  expect(failed.why).toContain('the program ended itself with exit code 1');
  expect(failed.why.join()).toMatch(/no incident|kernel log/);
});

test.each(['Job finished at Fri Nov 28', 'run completed'])(
  'that a wrapper says that all is over lowers nothing: %s',
  async said => {
    const log = present(logOf('Traceback (most recent call last):', "KeyError: 'lr'", said));
    const answer = await explained({ log });
    const plain = await explained({
      log: present(logOf('Traceback (most recent call last):', "KeyError: 'lr'")),
    });
    expect(answer.confidence).toBe(plain.confidence);
    expect(answer.against.join()).not.toContain('said that it was done');
  },
);

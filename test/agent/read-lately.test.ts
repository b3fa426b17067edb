import { expect, test } from 'vitest';
import { keepingReadings } from '../../src/agent/read-lately.ts';
import { HOST_KEPT_MS, NODE_LATELY_MS } from '../../src/contract/limits.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { explainFailure } from '../../src/tools/catalog/explain-failure.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { FailureAnswer } from '../../src/tools/support/failure-answer.ts';
import { instrumentsFor, instrumentsOf } from '../fakes/instruments.ts';

const { signal } = new AbortController();

/** How often the node is read, at a time that is set. */
function counted() {
  const given = instrumentsOf('dgx-h100');
  const world = { nowMs: 1_000_000, reads: 0 };
  const host = {
    ...given.host,
    read: (...asked: Parameters<typeof given.host.read>) => {
      world.reads += 1;
      return given.host.read(...asked);
    },
  };
  const kept = keepingReadings({ ...given, host, clock: { nowMs: () => world.nowMs } });
  return { world, kept };
}

test('what triage has read of the host serves the looks that follow it', async () => {
  const { world, kept } = counted();
  const state = await kept.host.read(signal);
  world.nowMs += HOST_KEPT_MS;
  expect(await kept.hostLately(signal)).toBe(state);
  expect(world.reads).toBe(1);
});

test.each([
  ['too old', (nowMs: number) => nowMs + HOST_KEPT_MS + 1],
  ['of a clock that was set back', (nowMs: number) => nowMs - 1],
])('one that is %s is read again', async (_, later) => {
  const { world, kept } = counted();
  await kept.host.read(signal);
  world.nowMs = later(world.nowMs);
  await kept.hostLately(signal);
  expect(world.reads).toBe(2);
});

test('a shallow reading does not stand for a full one, and none is asked of a host that was not read', async () => {
  const { world, kept } = counted();
  await kept.host.read(signal, 'first');
  await kept.hostLately(signal);
  expect(world.reads).toBe(2);
});

const XID =
  "NVRM: Xid (PCI:0000:d1:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.";

/** A node whose pod is explained after its triage, when so much time has passed or the kernel has said more. */
async function explainedAfter({ passedMs = 0, line }: { passedMs?: number; line?: string }) {
  const pods = [{ namespace: 'ml', name: 'train-0', gpus: [6] }];
  const node = (lines: readonly object[]) =>
    machineFrom('m', { like: 'h100-sxm', pods, kernelLog: { records: 900, lines } });
  const given = instrumentsFor(node([]));
  const later = instrumentsFor(node(line === undefined ? [] : [{ secondsAgo: 1, text: line }]));
  const world = { reads: 0, isLater: false, nowMs: given.clock.nowMs() };
  const kept = keepingReadings({
    ...given,
    clock: { nowMs: () => world.nowMs },
    nvml: {
      ...given.nvml,
      read: (...asked: Parameters<typeof given.nvml.read>) => {
        world.reads += 1;
        return given.nvml.read(...asked);
      },
    },
    kernelLog: {
      ...given.kernelLog,
      scan: (...asked: Parameters<typeof given.kernelLog.scan>) =>
        (world.isLater ? later : given).kernelLog.scan(...asked),
    },
  });
  await triageGpuNode.question({}).observe(kept, signal);
  const readsOfTriage = world.reads;
  world.nowMs += passedMs;
  world.isLater = true;
  const pod = { pod: 'train-0', namespace: 'ml' };
  const facts = await explainFailure.question(pod).observe(kept, signal);
  return { again: world.reads - readsOfTriage, answer: FailureAnswer.parse(facts) };
}

test('a pod is explained by the driver as its triage has read it, and by the log as it is now', async () => {
  const { again, answer } = await explainedAfter({ passedMs: NODE_LATELY_MS });
  expect(again).toBe(0);
  expect(answer).toMatchObject({ pod: { gpus: [6] }, incidents: [] });
  expect(answer.searched.kernelLog.some(({ available }) => available)).toBe(true);
});

test('the driver is read again when that is no matter of moments, or the kernel has told of a GPU since', async () => {
  expect((await explainedAfter({ passedMs: NODE_LATELY_MS + 1 })).again).toBeGreaterThan(0);
  const { again, answer } = await explainedAfter({ line: XID });
  expect(again).toBeGreaterThan(0);
  expect(answer.incidents).toMatchObject([{ root: { xid: 79 } }]);
});

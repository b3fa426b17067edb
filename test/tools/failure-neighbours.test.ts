import { expect, test } from 'vitest';
import { present } from '../../src/contract/reading.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { explainFailure } from '../../src/tools/catalog/explain-failure.ts';
import { FailureAnswer } from '../../src/tools/support/failure-answer.ts';
import { answered } from '../fakes/answers.ts';
import { aContainer, aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsFor } from '../fakes/instruments.ts';

const FAULT =
  'NVRM: Xid (PCI:0000:00:1e): 31, pid=52214, name=python, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f3a_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ';

/** Of two pods on GPU 0 the notebook's program faulted ten minutes ago; the other one ended so many seconds ago. */
async function endedBeside(
  secondsAgo: number,
  startedAgo = 9_000,
): Promise<FailureAnswer & { readonly text: string }> {
  const machine = machineFrom('shared', {
    like: 'a10',
    kernelLog: { records: 900, lines: [{ secondsAgo: 610, text: FAULT }] },
    pods: [
      { namespace: 'ml', name: 'notebook-0', gpus: [0], pid: 52_214, startedSecondsAgo: 9_000 },
      { namespace: 'serve', name: 'llm-0', gpus: [0], startedSecondsAgo: 9_000 },
    ],
  });
  const input = { pod: 'llm-0', namespace: 'serve' };
  const instruments = instrumentsFor(machine);
  const alone = await answered(explainFailure, input, instruments);
  const at = (ago: number) => new Date(instruments.clock.nowMs() - ago * 1_000).toISOString();
  const end = { exitCode: 1, reason: 'Error', message: '', startedAt: at(startedAgo) };
  const pod = aPod({
    ...{ name: 'llm-0', namespace: 'serve', phase: 'Failed' },
    containers: [
      aContainer({ state: 'terminated', ended: { ...end, finishedAt: at(secondsAgo) } }),
    ],
  });
  const joined = alone.joined(aView({ pod: present(pod), podEvents: present([]) }));
  return { ...FailureAnswer.parse(joined.structured), text: joined.text };
}

test('the fault of a neighbour’s program as a pod ended is no fault of its own, and is told with whose it was', async () => {
  const { fault, incidents, ofOthers, why, against, text } = await endedBeside(609);
  expect({ fault, incidents }).toEqual({ fault: 'application', incidents: [] });
  expect(ofOthers).toMatchObject([{ pod: 'ml/notebook-0', gpu: '0000:00:1e' }]);
  expect(why.join()).toMatch(/no incident of its GPUs(?: was found)? but of other pods’ programs/);
  expect(against[0]).toMatch(
    /^XID 31: GPU memory page fault on GPU 0000:00:1e at \S+ was of pod ml\/notebook-0: under MPS /,
  );
  expect(text).toContain('was of pod ml/notebook-0');
});

test('at another time it ended nobody', async () => {
  const { ofOthers, against } = await endedBeside(120);
  expect(ofOthers).toHaveLength(1);
  expect(against.join()).not.toContain('notebook-0');
});

test('before the pod began it is no incident of its run', async () => {
  const { why } = await endedBeside(120, 300);
  expect(why.join()).toContain('shows no incident of its GPUs');
  expect(why.join()).not.toContain('other pods');
});

import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { DeviceHolder } from '../../host/port.ts';
import { nodeClue } from '../clue.ts';
import type { NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { grouped } from '../support/grouped.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/** NCCL and the loaders of PyTorch meet in /dev/shm, of which a container gets little by default. */
export const sharedMemory = rule(
  'shared-memory',
  { gpu: { tells: ['processes'] }, host: { tells: ['deviceHolders'] } },
  facts => {
    const { sharedMemoryBytes: limit } = THRESHOLDS;
    const small = (known(facts.host.deviceHolders) ?? []).filter(
      ({ sharedMemoryBytes }) =>
        sharedMemoryBytes !== undefined && sharedMemoryBytes <= limit.value,
    );
    const pods = [...grouped(small, ({ podUid }) => podUid)].filter(
      ([, holders]) => gpusOf(facts, holders) > 1,
    );
    const [first] = pods;
    if (!first) return [];
    return [
      nodeClue('shared-memory-small', {
        severity: 'info',
        component: 'configuration',
        title: `${pods.length === 1 ? 'A pod' : `${pods.length} pods`} on several GPUs ${pods.length === 1 ? 'has' : 'have'} only the default /dev/shm of ${limit.value / 1024 ** 2} MiB`,
        action: 'fix_configuration',
        advice:
          'Mount an emptyDir with medium Memory at /dev/shm (1 GiB or more): without it NCCL fails with a system error, or a loader ends with a bus error.',
        blame: 'configuration',
        confidence: 'medium',
        evidence: pods.slice(0, 4).map(([podUid, holders]) => ({
          what: `pod ${plainText(podUid ?? '?', 64)}, process ${holders[0]?.pid} (${plainText(holders[0]?.name ?? '', 16)}) of ${gpusOf(facts, holders)} GPUs: ${holders[0]?.sharedMemoryBytes} bytes (${limit.source})`,
          source: `/proc/${holders[0]?.pid}/mountinfo`,
          command: `grep /dev/shm /proc/${holders[0]?.pid}/mountinfo`,
        })),
        counterEvidence: ['a program that shares no memory does not need it'],
      }),
    ];
  },
);

/** On how many GPUs the driver names one of these processes: agents only hold the devices open. */
function gpusOf(facts: NodeFacts, holders: readonly DeviceHolder[]): number {
  const pids = new Set(holders.map(({ pid }) => pid));
  return facts.driver.gpus.filter(gpu =>
    (known(gpu.processes) ?? []).some(({ pid }) => pids.has(pid)),
  ).length;
}

import { known, type Reading } from '../../contract/reading.ts';
import type { Stall } from '../../host/port.ts';
import { type Clue, nodeClue, type Rule } from '../facts.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/** Tasks of the node that cannot go on for want of memory or of a disk: GPUs wait with them. */
export const hostPressure: Rule = facts => {
  const pressure = known(facts.host.resources.pressure);
  if (!pressure) return [];
  return [...stalls('memory', pressure.memory), ...stalls('io', pressure.io)];
};

function stalls(name: 'memory' | 'io', reading: Reading<Stall>): readonly Clue[] {
  const percent = known(reading)?.full60Percent ?? 0;
  const { stallPercent, memoryStallPercent } = THRESHOLDS;
  const severe = name === 'memory' && percent >= memoryStallPercent.value;
  const limit = severe ? memoryStallPercent : stallPercent;
  if (percent < limit.value) return [];
  return [
    nodeClue(`${name}-stalls`, {
      ...(name === 'memory' && { cause: 'node-memory' as const }),
      severity: severe ? 'warning' : 'info',
      component: 'host',
      title: `All tasks of the node stood still for ${name === 'memory' ? 'memory' : 'disks'} in ${Math.round(percent)} % of the last minute`,
      sign: `tasks stand still for ${name === 'memory' ? 'memory' : 'disks'}`,
      action: 'watch',
      advice:
        name === 'memory'
          ? 'Find what uses the memory of the host: programs on the GPUs wait with it.'
          : 'Find what reads or writes so much: loading of data and checkpoints wait with it.',
      blame: 'host',
      confidence: 'medium',
      evidence: [
        {
          what: `full avg60=${percent.toFixed(2)}; limit ${limit.value} (${limit.source})`,
          source: `/proc/pressure/${name}`,
          command: `cat /proc/pressure/${name}`,
        },
      ],
    }),
  ];
}

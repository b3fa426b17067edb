import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { nodeClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuRef } from '../facts.ts';
import { rule } from '../rule.ts';
import { gspFailure } from './gsp-failure.ts';

/** NVML did not answer within its deadline: a wedged driver blocks every tool that asks it. */
export const driverUnresponsive = rule(
  'driver-unresponsive',
  {
    findings: [gspFailure],
    gpu: { tells: [...GPU_NAMES, 'handle'] },
    host: { tells: ['blockedTasks', 'blockedTasks.waitsIn'] },
  },
  facts => {
    const hung = facts.driver.unresponsive;
    if (!hung) return [];
    const blocked = known(facts.host.blockedTasks) ?? [];
    const where = hung.gpu === undefined ? '' : ` on GPU ${hung.gpu}`;
    const hungGpu = facts.driver.gpus.find(({ index }) => index === hung.gpu);
    // One GPU whose system processor does not answer (XID 119) makes every call on the node wait.
    const failed = gspFailure(facts);
    const gpu = hungGpu ? gpuRef(hungGpu) : failed.length === 1 ? failed[0]?.gpu : undefined;
    // Opening NVML or a GPU takes seconds where the driver has to start it; nothing else does.
    const opens = /^nvml(?:Init|DeviceGetHandleBy)/.test(hung.call);
    const starting =
      opens && facts.host.blockedTasks.ok && blocked.length === 0 && failed.length === 0;
    const answered = facts.driver.gpus.filter(gpu => gpu.handle.ok).length;
    return [
      {
        ...nodeClue('driver-unresponsive', {
          severity: starting ? 'warning' : 'critical',
          component: 'driver',
          title: `The driver does not answer (driver_unresponsive): ${hung.call}${where} was given up`,
          action: starting ? 'watch' : 'reboot_node',
          advice: starting
            ? 'Ask again in a minute: where nobody holds the GPUs open (no persistence), the driver starts each of them first. If it hangs again, drain the node and reboot it.'
            : 'Drain the node and reboot it; nvidia-smi will hang as well. Processes in state D cannot be killed.',
          blame: 'driver',
          confidence: starting ? 'low' : blocked.length > 0 ? 'high' : 'medium',
          evidence: [
            nvmlEvidence(
              facts,
              `no answer within ${hung.waitedMs} ms`,
              'timeout 10 nvidia-smi; echo $?',
            ),
            ...blocked.slice(0, 4).map(task => ({
              what: `task ${task.pid} (${plainText(task.name, 16)}) is blocked in ${
                task.waitsIn.ok ? plainText(task.waitsIn.value, 64) : 'the kernel'
              }`,
              source: `/proc/${task.pid}`,
              command: `cat /proc/${task.pid}/stack /proc/${task.pid}/wchan`,
            })),
          ],
          counterEvidence: [
            ...(answered > 0 ? [`${answered} GPUs answered before the call hung`] : []),
            ...(starting
              ? ['no task is blocked in the driver, and the kernel log names no cause']
              : []),
          ],
          wouldChange: 'An answer to the same question a minute later.',
        }),
        ...(gpu ? { gpu, cause: 'firmware' as const } : {}),
      },
    ];
  },
);

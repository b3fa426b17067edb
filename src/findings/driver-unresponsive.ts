import { known } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { findingId, gpuRef, nvmlEvidence, type Rule } from './facts.ts';
import { gspFailure } from './gsp-failure.ts';

/** NVML did not answer within its deadline: a wedged driver blocks every tool that asks it. */
export const driverUnresponsive: Rule = facts => {
  const hung = facts.driver.unresponsive;
  if (!hung) return [];
  const blocked = known(facts.host.blockedTasks) ?? [];
  const where = hung.gpu === undefined ? '' : ` on GPU ${hung.gpu}`;
  const asked = facts.driver.gpus.find(({ index }) => index === hung.gpu);
  // One GPU whose system processor does not answer (XID 119) makes every call on the node wait.
  const failed = gspFailure(facts);
  const gpu = asked ? gpuRef(asked) : failed.length === 1 ? failed[0]?.gpu : undefined;
  const answered = facts.driver.gpus.filter(gpu => gpu.handle.ok).length;
  return [
    {
      id: findingId('driver-unresponsive'),
      severity: 'critical',
      component: 'driver',
      ...(gpu ? { gpu, cause: 'firmware' as const } : {}),
      title: `The driver does not answer (driver_unresponsive): ${hung.call}${where} was given up`,
      action: 'reboot_node',
      advice:
        'Drain the node and reboot it; nvidia-smi will hang as well. Processes in state D cannot be killed.',
      blame: 'driver',
      confidence: blocked.length > 0 ? 'high' : 'medium',
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
      counterEvidence: answered > 0 ? [`${answered} GPUs answered before the call hung`] : [],
    },
  ];
};

import { known } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { findingId, nvmlEvidence, type Rule } from './facts.ts';

/** NVML did not answer within its deadline: a wedged driver blocks every tool that asks it. */
export const driverUnresponsive: Rule = facts => {
  const hung = facts.driver.unresponsive;
  if (!hung) return [];
  const blocked = known(facts.host.blockedTasks) ?? [];
  const where = hung.gpu === undefined ? '' : ` on GPU ${hung.gpu}`;
  const answered = facts.driver.gpus.filter(gpu => gpu.handle.ok).length;
  return [
    {
      id: findingId('driver-unresponsive'),
      severity: 'critical',
      component: 'driver',
      ...(hung.gpu === undefined ? {} : { gpu: { index: hung.gpu } }),
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

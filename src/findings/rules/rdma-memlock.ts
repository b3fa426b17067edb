import { known } from '../../contract/reading.ts';
import type { Nic } from '../../host/port.ts';
import { nodeClue, type Rule } from '../facts.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/** RDMA locks the memory that it sends from; containers inherit the limit of their runtime. */
export const rdmaMemlock: Rule = facts => {
  const locked = known(facts.host.resources.memlockBytes);
  const { memlockBytes: limit } = THRESHOLDS;
  const near = (known(facts.host.nics) ?? []).filter(isRdmaBesideGpu);
  if (near.length === 0 || typeof locked !== 'number' || locked > limit.value) return [];
  const kib = Math.floor(locked / 1024);
  return [
    nodeClue('memlock-small', {
      severity: 'info',
      component: 'configuration',
      title: `Containers may lock ${kib} KiB of memory: too little for RDMA without IPC_LOCK`,
      action: 'fix_configuration',
      advice:
        'Set LimitMEMLOCK=infinity for the container runtime, or give RDMA pods the capability IPC_LOCK.',
      blame: 'configuration',
      confidence: 'medium',
      evidence: [
        {
          what: `Max locked memory ${locked} bytes, not above ${limit.value} (${limit.source}); ${near.length} RDMA adapters beside GPUs`,
          source: '/proc/PID/limits of the container runtime',
          command: `grep 'locked memory' /proc/$(pidof containerd crio dockerd | cut -d' ' -f1)/limits`,
        },
      ],
      counterEvidence: ['a pod with the capability IPC_LOCK is not bound by it'],
    }),
  ];
};

/** An adapter for RDMA below the same PCIe switch as a GPU. */
export const isRdmaBesideGpu = ({ kind, gpuPaths }: Nic): boolean =>
  ['infiniband', 'roce', 'efa'].includes(kind) &&
  gpuPaths.some(({ path }) => path === 'PIX' || path === 'PXB');

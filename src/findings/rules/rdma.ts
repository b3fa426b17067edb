import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { Nic } from '../../host/port.ts';
import { type Clue, nodeClue } from '../clue.ts';
import type { NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { isNear } from '../support/nics.ts';
import { THRESHOLDS } from '../support/thresholds.ts';

/** What RDMA from and to the GPUs lacks. */
export const rdma = rule(
  'rdma',
  {
    host: {
      tells: [
        ...['nics', 'driverFiles.modules', 'kernel', 'moduleKind', 'nics.driver'],
        'resources.memlockBytes',
      ],
    },
  } as const,
  facts => [...gpuDirect(facts), ...lockedMemory(facts)],
);

/** An adapter for RDMA below the same PCIe switch as a GPU. */
const isRdmaBesideGpu = (nic: Nic): boolean =>
  ['infiniband', 'roce', 'efa'].includes(nic.kind) && isNear(nic);

/**
 * Adapters beside GPUs read GPU memory themselves by nvidia_peermem, or by dma-buf where module and
 * kernel have it. Without either every byte goes through the memory of the host.
 */
function gpuDirect(facts: NodeFacts): readonly Clue[] {
  const { host } = facts;
  const near = (known(host.nics) ?? []).filter(
    nic => isRdmaBesideGpu(nic) && known(nic.driver) === 'mlx5_core',
  );
  const modules = known(host.driverFiles.modules);
  const why = withoutDmabuf(facts);
  if (near.length === 0 || !modules || why === undefined) return [];
  if (modules.some(({ name }) => ['nvidia_peermem', 'nv_peer_mem'].includes(name))) return [];
  return [
    nodeClue('peermem-absent', {
      severity: 'info',
      component: 'configuration',
      title: `nvidia_peermem is not loaded: ${near.length} RDMA adapters beside GPUs cannot read GPU memory themselves`,
      action: 'fix_configuration',
      advice:
        'Load it (modprobe nvidia-peermem), or use the open kernel module, which has dma-buf.',
      blame: 'configuration',
      confidence: 'medium',
      evidence: [
        {
          what: `no nvidia_peermem among the modules, and ${why}`,
          source: '/proc/modules',
          command: 'lsmod | grep peermem; uname -r; head -1 /proc/driver/nvidia/version',
        },
      ],
      counterEvidence: ['distributions may bring dma-buf to older kernels'],
    }),
  ];
}

/** Why dma-buf cannot take its place; undefined where it can, or where that is not known. */
function withoutDmabuf({ host }: NodeFacts): string | undefined {
  const { dmabufKernel } = THRESHOLDS;
  if (known(host.moduleKind) === 'proprietary') return 'only the open module has dma-buf';
  const kernel = known(host.kernel) ?? '';
  const [, major, minor] = /^(\d{1,3})\.(\d{1,3})\b/.exec(kernel) ?? [];
  if (major === undefined) return undefined;
  return Number(major) * 1_000 + Number(minor) < dmabufKernel.value
    ? `Linux ${plainText(kernel, 32)} has no dma-buf for RDMA (${dmabufKernel.source})`
    : undefined;
}

/** RDMA locks the memory that it sends from; containers inherit the limit of their runtime. */
function lockedMemory(facts: NodeFacts): readonly Clue[] {
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
}

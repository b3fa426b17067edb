import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type NodeFacts, nodeClue, type Rule } from '../facts.ts';
import { THRESHOLDS } from '../support/thresholds.ts';
import { isRdmaBesideGpu } from './rdma-memlock.ts';

/**
 * Adapters beside GPUs read GPU memory themselves by nvidia_peermem, or by dma-buf where module and
 * kernel have it. Without either every byte goes through the memory of the host.
 */
export const gpudirectRdma: Rule = facts => {
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
};

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

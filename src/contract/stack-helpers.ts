import type { ClusterContainer } from './cluster-view.ts';

/** A container of a part's pod that does not do what the part is named after. */
export interface StackHelper {
  /** As a title names it. */
  readonly name: string;
  /** Whether pods get their GPUs without it. */
  readonly isOptional: boolean;
  /** What fails, and what goes on, while it does not run. */
  readonly lacks: string;
}

/**
 * By the names of GPU Operator's DaemonSets (assets/state-driver, state-device-plugin, gpu-feature-discovery):
 * what runs beside the driver, once that is loaded, and who writes a plugin's configuration anew.
 */
const HELPERS: Readonly<Record<string, StackHelper>> = {
  'nvidia-peermem-ctr': {
    name: 'GPUDirect RDMA (nvidia-peermem)',
    isOptional: true,
    lacks:
      'GPUs work without it; adapters cannot read their memory themselves, but by dma-buf, where kernel and driver have that.',
  },
  'nvidia-fs-ctr': {
    name: 'GPUDirect Storage (nvidia-fs)',
    isOptional: true,
    lacks: 'GPUs work without it; storage is read by way of host memory.',
  },
  'nvidia-gdrcopy-ctr': {
    name: 'GDRCopy',
    isOptional: true,
    lacks: 'GPUs work without it; small copies between host and GPU are slower.',
  },
  'openshift-driver-toolkit-ctr': {
    name: 'OpenShift’s Driver Toolkit',
    isOptional: false,
    lacks: 'In it the module of the driver is built for the kernel of the node.',
  },
  'config-manager': {
    name: 'the config manager',
    isOptional: true,
    lacks: 'What runs keeps the configuration that it has.',
  },
};

/** Undefined for a container that does what its part is named after. */
export const helperOf = ({ name }: Pick<ClusterContainer, 'name'>): StackHelper | undefined =>
  Object.hasOwn(HELPERS, name) ? HELPERS[name] : undefined;

import type { NvmlFunctionName } from '../../src/nvml/table/functions.ts';

/**
 * How many calls NVIDIA's own `nvidia-smi -q` (R550) makes at least of a library with eight H100, its
 * private ones included: counted by test/sim-nvml/nvidia-smi.e2e.ts, which checks it. A real driver
 * supports more and is asked more: for the name of each process, for sessions.
 */
export const NVIDIA_SMI_Q_CALLS = 950;

/** What we read and it does not: how GPUs and CPUs reach each other, repairs, the place in a rack. */
export const BEYOND_NVIDIA_SMI_Q: ReadonlySet<NvmlFunctionName> = new Set<NvmlFunctionName>([
  'deviceGetNvLinkRemoteDeviceType',
  'deviceGetNvLinkRemotePciInfo',
  'deviceGetTopologyCommonAncestor',
  'deviceGetP2PStatus',
  'deviceGetCpuAffinity',
  'deviceGetMemoryAffinity',
  'deviceGetNumaNodeId',
  'deviceGetCudaComputeCapability',
  'deviceGetInforomConfigurationChecksum',
  'deviceGetGspFirmwareMode',
  'deviceGetPlatformInfo',
  'deviceGetRepairStatus',
  'deviceGetUnrepairableMemoryFlag',
]);

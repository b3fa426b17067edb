import type { Rule } from './rule.ts';
import { c2c } from './rules/c2c.ts';
import { computeDomains } from './rules/compute-domains.ts';
import { containerView } from './rules/container-view.ts';
import { absentGpu, allocationMismatch, countMismatch } from './rules/count-mismatch.ts';
import { deviceTaints, draDriver } from './rules/device-taints.ts';
import { draDevices } from './rules/dra-devices.ts';
import { containerToolkit, driverState, driverUnresponsive } from './rules/driver-state.ts';
import { errorRecords } from './rules/error-records.ts';
import { expectedGpus } from './rules/expected-gpus.ts';
import { fabric, imex } from './rules/fabric.ts';
import { gpuRegistration } from './rules/gpu-registration.ts';
import { gpuStack } from './rules/gpu-stack.ts';
import { gspFailure } from './rules/gsp-failure.ts';
import { hostLines } from './rules/host-lines.ts';
import { hostResources, sharedMemory } from './rules/host-resources.ts';
import { kernelIncidents } from './rules/kernel-incidents.ts';
import { leakedContext, stuckHolder } from './rules/leaked-context.ts';
import { lostGpu } from './rules/lost-gpu.ts';
import { memoryErrors } from './rules/memory-errors.ts';
import { correctedErrors, memoryWear } from './rules/memory-wear.ts';
import { nicCounters, rdma } from './rules/nic-counters.ts';
import { nicFirmware, nics } from './rules/nics.ts';
import { nodeConditions } from './rules/node-conditions.ts';
import { nodeSettings, pendingModes } from './rules/node-settings.ts';
import { nvlinkDown, nvlinkSpeed } from './rules/nvlink-down.ts';
import { nvlinkErrors } from './rules/nvlink-errors.ts';
import { pcieErrors } from './rules/pcie-errors.ts';
import { pcieAcs, pcieLink } from './rules/pcie-link.ts';
import { nvsentinel, platformActions } from './rules/platform-actions.ts';
import { podsNotStarting } from './rules/pods-not-starting.ts';
import { inforom, recoveryAction } from './rules/recovery-action.ts';
import { repeatedXid } from './rules/repeated-xid.ts';
import { settingsOutlier } from './rules/settings-outlier.ts';
import { powerLimit, slowClocks, waiting } from './rules/slow-clocks.ts';
import { slowdown } from './rules/slowdown.ts';
import { stackImages, stackVersions } from './rules/stack-versions.ts';
import { thermal, violations } from './rules/thermal.ts';

/** Every rule, once. The order decides which of two equal findings of one cause leads. */
export const RULES = [
  driverUnresponsive,
  driverState,
  lostGpu,
  absentGpu,
  memoryErrors,
  memoryWear,
  correctedErrors,
  gspFailure,
  nvlinkDown,
  nvlinkErrors,
  nvlinkSpeed,
  c2c,
  fabric,
  imex,
  pcieLink,
  pcieErrors,
  slowdown,
  violations,
  thermal,
  powerLimit,
  slowClocks,
  waiting,
  inforom,
  pendingModes,
  settingsOutlier,
  nodeSettings,
  recoveryAction,
  errorRecords,
  repeatedXid,
  kernelIncidents,
  countMismatch,
  leakedContext,
  stuckHolder,
  allocationMismatch,
  containerView,
  nics,
  nicCounters,
  nicFirmware,
  containerToolkit,
  pcieAcs,
  rdma,
  sharedMemory,
  hostResources,
  hostLines,
  nodeConditions,
  expectedGpus,
  gpuStack,
  gpuRegistration,
  podsNotStarting,
  stackVersions,
  stackImages,
  deviceTaints,
  draDriver,
  draDevices,
  computeDomains,
  nvsentinel,
  platformActions,
] as const satisfies readonly Rule[];

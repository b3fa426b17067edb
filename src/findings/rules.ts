import { absentGpu } from './absent-gpu.ts';
import { allocationMismatch } from './allocation-mismatch.ts';
import { containerToolkit } from './container-toolkit.ts';
import { countMismatch } from './count-mismatch.ts';
import { driverState } from './driver-state.ts';
import { driverUnresponsive } from './driver-unresponsive.ts';
import { expectedGpus } from './expected-gpus.ts';
import { fabric } from './fabric.ts';
import { fabricHealth } from './fabric-health.ts';
import type { Rule } from './facts.ts';
import { gpudirectRdma } from './gpudirect-rdma.ts';
import { gspFailure } from './gsp-failure.ts';
import { hostPressure } from './host-pressure.ts';
import { hostResources } from './host-resources.ts';
import { imex } from './imex.ts';
import { inforom } from './inforom.ts';
import { kernelIncidents } from './kernel-incidents.ts';
import { leakedContext } from './leaked-context.ts';
import { lostGpu } from './lost-gpu.ts';
import { memoryErrors } from './memory-errors.ts';
import { nicCounters } from './nic-counters.ts';
import { nicFirmware } from './nic-firmware.ts';
import { nics } from './nics.ts';
import { nodeConditions } from './node-conditions.ts';
import { nodeSettings } from './node-settings.ts';
import { nvlinkDown } from './nvlink-down.ts';
import { nvlinkErrors } from './nvlink-errors.ts';
import { oddSettings } from './odd-settings.ts';
import { pcieAcs } from './pcie-acs.ts';
import { pcieErrors } from './pcie-errors.ts';
import { pcieLink } from './pcie-link.ts';
import { pendingModes } from './pending-modes.ts';
import { rdmaMemlock } from './rdma-memlock.ts';
import { recoveryAction } from './recovery-action.ts';
import { repeatedProgramFault } from './repeated-program-fault.ts';
import { repeatedXid } from './repeated-xid.ts';
import { sharedMemory } from './shared-memory.ts';
import { slowdown } from './slowdown.ts';
import { stuckHolder } from './stuck-holder.ts';
import { thermal } from './thermal.ts';
import { uncuredFault } from './uncured-fault.ts';
import { violations } from './violations.ts';

/** Every rule, once. The order decides which of two equal findings of one cause leads. */
export const RULES: readonly Rule[] = [
  driverUnresponsive,
  driverState,
  lostGpu,
  absentGpu,
  memoryErrors,
  gspFailure,
  nvlinkDown,
  nvlinkErrors,
  fabric,
  fabricHealth,
  imex,
  pcieLink,
  pcieErrors,
  slowdown,
  violations,
  thermal,
  inforom,
  pendingModes,
  oddSettings,
  nodeSettings,
  recoveryAction,
  uncuredFault,
  repeatedXid,
  repeatedProgramFault,
  kernelIncidents,
  countMismatch,
  leakedContext,
  stuckHolder,
  allocationMismatch,
  nics,
  nicCounters,
  nicFirmware,
  containerToolkit,
  pcieAcs,
  gpudirectRdma,
  rdmaMemlock,
  sharedMemory,
  hostResources,
  hostPressure,
  nodeConditions,
  expectedGpus,
];

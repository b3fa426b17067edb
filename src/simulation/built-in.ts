import b200 from './machines/b200.json' with { type: 'json' };
import devicesLost from './machines/devices-lost.json' with { type: 'json' };
import dgxH100 from './machines/dgx-h100.json' with { type: 'json' };
import diskReadOnly from './machines/disk-read-only.json' with { type: 'json' };
import draTaintedGpu from './machines/dra-tainted-gpu.json' with { type: 'json' };
import eccRowRemap from './machines/ecc-row-remap.json' with { type: 'json' };
import fabricManagerMissing from './machines/fabric-manager-missing.json' with { type: 'json' };
import gb200 from './machines/gb200.json' with { type: 'json' };
import gpuForVm from './machines/gpu-for-vm.json' with { type: 'json' };
import gpuMissing from './machines/gpu-missing.json' with { type: 'json' };
import gspTimeout from './machines/gsp-timeout.json' with { type: 'json' };
import healthyT4 from './machines/healthy-t4.json' with { type: 'json' };
import hungDriver from './machines/hung-driver.json' with { type: 'json' };
import jobEccError from './machines/job-ecc-error.json' with { type: 'json' };
import jobLostGpu from './machines/job-lost-gpu.json' with { type: 'json' };
import jobOutOfBounds from './machines/job-out-of-bounds.json' with { type: 'json' };
import jobOutOfMemory from './machines/job-out-of-memory.json' with { type: 'json' };
import jobOwnError from './machines/job-own-error.json' with { type: 'json' };
import jobPending from './machines/job-pending.json' with { type: 'json' };
import jobStraggler from './machines/job-straggler.json' with { type: 'json' };
import leakedMemory from './machines/leaked-memory.json' with { type: 'json' };
import lostGpu from './machines/lost-gpu.json' with { type: 'json' };
import migA100 from './machines/mig-a100.json' with { type: 'json' };
import networkDown from './machines/network-down.json' with { type: 'json' };
import noDriver from './machines/no-driver.json' with { type: 'json' };
import nodeCordoned from './machines/node-cordoned.json' with { type: 'json' };
import nvlinkDown from './machines/nvlink-down.json' with { type: 'json' };
import nvlinkErrors from './machines/nvlink-errors.json' with { type: 'json' };
import operatorStuck from './machines/operator-stuck.json' with { type: 'json' };
import overheating from './machines/overheating.json' with { type: 'json' };
import powerBrake from './machines/power-brake.json' with { type: 'json' };
import powerLimit from './machines/power-limit.json' with { type: 'json' };
import rowRemapFailed from './machines/row-remap-failed.json' with { type: 'json' };
import slowPcie from './machines/slow-pcie.json' with { type: 'json' };
import staleContainer from './machines/stale-container.json' with { type: 'json' };
import trainingJob from './machines/training-job.json' with { type: 'json' };
import versionMismatch from './machines/version-mismatch.json' with { type: 'json' };
import wrongGpu from './machines/wrong-gpu.json' with { type: 'json' };

/** The machines that `--simulate` knows by name, as their files tell them, in the order of the help. */
export const BUILT_IN: Readonly<Record<string, unknown>> = {
  'dgx-h100': dgxH100,
  'training-job': trainingJob,
  'healthy-t4': healthyT4,
  'mig-a100': migA100,
  b200: b200,
  gb200: gb200,
  'job-lost-gpu': jobLostGpu,
  'job-ecc-error': jobEccError,
  'job-out-of-bounds': jobOutOfBounds,
  'job-out-of-memory': jobOutOfMemory,
  'job-own-error': jobOwnError,
  'job-pending': jobPending,
  'job-straggler': jobStraggler,
  'wrong-gpu': wrongGpu,
  'devices-lost': devicesLost,
  'stale-container': staleContainer,
  'node-cordoned': nodeCordoned,
  'operator-stuck': operatorStuck,
  'dra-tainted-gpu': draTaintedGpu,
  'lost-gpu': lostGpu,
  'gpu-missing': gpuMissing,
  'gpu-for-vm': gpuForVm,
  'no-driver': noDriver,
  'version-mismatch': versionMismatch,
  'hung-driver': hungDriver,
  'gsp-timeout': gspTimeout,
  'ecc-row-remap': eccRowRemap,
  'row-remap-failed': rowRemapFailed,
  'nvlink-down': nvlinkDown,
  'nvlink-errors': nvlinkErrors,
  'fabric-manager-missing': fabricManagerMissing,
  overheating: overheating,
  'power-brake': powerBrake,
  'power-limit': powerLimit,
  'slow-pcie': slowPcie,
  'leaked-memory': leakedMemory,
  'network-down': networkDown,
  'disk-read-only': diskReadOnly,
};

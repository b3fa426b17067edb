import type { GpuRef } from '../contract/finding.ts';
import { optional } from '../contract/optional.ts';
import { known } from '../contract/reading.ts';
import type { Daemon } from '../host/port.ts';
import type { GpuState } from '../nvml/port.ts';
import type { NodeFacts } from './facts.ts';

/** How GPUs are reset on this machine, and what holds them open besides jobs. */
export interface Reset {
  /** Why all GPUs have to be reset in one command; absent where each is reset alone. */
  readonly all?: string;
  readonly blockers: readonly Blocker[];
  /** The reset takes MIG instances away. */
  readonly mig: boolean;
}
export type Blocker = (typeof BLOCKERS)[number];

const BEFORE_AMPERE: readonly string[] = ['kepler', 'maxwell', 'pascal', 'volta', 'turing'];
/** Of the GPU Operator: each keeps NVML open on every GPU. */
const OPERANDS: readonly string[] = ['device_plugin', 'dcgm_exporter', 'gpu_feature_discovery'];
const DISPLAY = /^(?:Xorg|X|Xwayland|gnome-shell|kwin_|gdm-|sddm|weston)/;

/**
 * From Ampere on GPUs are reset one by one; before, all that NVLink connects in one command, and on
 * Ampere with NVSwitches too where Fabric Manager does not run. Nothing may hold them: no job, no
 * monitoring, no display, and no persistence mode.
 *
 * Sources: nvidia-smi(1), --gpu-reset (docs.nvidia.com/deploy/nvidia-smi); for persistence
 * github.com/NVIDIA/NVSentinel/issues/1690 and NVIDIA/gpu-operator/issues/118; for MIG the MIG User
 * Guide: instances are made again after a reset.
 */
export function resetOf(facts: NodeFacts, refs: readonly GpuRef[]): Reset {
  const named = facts.driver.gpus.filter(gpu => refs.some(ref => isGpu(gpu, ref)));
  const all = togetherBecause(facts, named);
  const touched = all === undefined && named.length > 0 ? named : facts.driver.gpus;
  return {
    ...optional({ all }),
    mig: touched.some(gpu => known(gpu.migMode)?.current === true),
    blockers: blockersOf(facts, touched),
  };
}

export const isGpu = (gpu: GpuState, ref: GpuRef): boolean =>
  gpu.index === ref.index || (ref.pci !== undefined && known(gpu.pci) === ref.pci);

function togetherBecause({ driver, host }: NodeFacts, named: readonly GpuState[]) {
  // A lost GPU tells nothing of itself; its neighbours are mostly of its kind.
  const [kind = ''] = [...named, ...driver.gpus].flatMap(gpu => known(gpu.architecture) ?? []);
  const isLinked = driver.gpus.some(gpu => (known(gpu.nvlinks)?.links.length ?? 0) > 0);
  if (BEFORE_AMPERE.includes(kind) && isLinked) {
    return 'before Ampere, NVLink has its GPUs reset together';
  }
  const hasSwitches = known(host.pciDevices)?.some(device => device.kind === 'nvswitch');
  const daemons = known(host.daemons);
  // Where no daemon is seen at all, the processes of the node are not.
  if (kind !== 'ampere' || !hasSwitches || !daemons || daemons.length === 0) return undefined;
  return daemons.some(runs('fabric_manager')) ? undefined : 'Fabric Manager does not run';
}

const runs =
  (...kinds: readonly string[]) =>
  ({ kind, state }: Daemon): boolean =>
    kinds.includes(kind) && state !== 'Z';

function blockersOf({ host }: NodeFacts, touched: readonly GpuState[]): readonly Blocker[] {
  const daemons = known(host.daemons) ?? [];
  const engines = daemons.filter(runs('dcgm_hostengine'));
  const holds: Readonly<Record<Blocker, boolean>> = {
    operands: daemons.some(runs(...OPERANDS)) || engines.some(({ podUid }) => podUid !== undefined),
    hostengine: engines.some(({ podUid }) => podUid === undefined),
    mps: daemons.some(runs('mps_control', 'mps_server')),
    display: (known(host.deviceHolders) ?? []).some(({ name }) => DISPLAY.test(name)),
    persistence:
      daemons.some(runs('persistenced')) ||
      touched.some(gpu => known(gpu.persistenceMode) === true),
  };
  return BLOCKERS.filter(blocker => holds[blocker]);
}

/** In the order in which they are stopped. */
const BLOCKERS = ['operands', 'hostengine', 'mps', 'display', 'persistence'] as const;

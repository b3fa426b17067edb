import { mapReading, missing, present, type Reading } from '../../contract/reading.ts';
import { GPU, type GpuField, type GpuState, type Platform } from '../readings.ts';
import {
  ADDRESSING_MODES,
  clocksEventReasons,
  HOST_VGPU_MODES,
  NOT_AVAILABLE_32,
  PERFORMANCE_STATE_UNKNOWN,
  VIRTUALIZATION_MODES,
} from '../table/enums.ts';
import type { Handle } from '../table/shapes.ts';
import type { Asker } from './ask.ts';
import { readC2c, readFabric } from './fabric.ts';
import { readBar1, readMemory, readSramUniqueErrors, readUnrepairableMemory } from './memory.ts';
import { readMigInstances, readMigProfiles } from './mig.ts';
import { readNvLinks } from './nvlink.ts';
import { readAllProcesses, readProcesses } from './processes.ts';
import { readStated } from './stated.ts';
import { andThen, isOlder, listOf, pciOf, plain } from './steps.ts';

/** Reads one field of one GPU, with as few calls as it takes. */
export function readGpuField(field: GpuField, ask: Asker, gpu: Handle): unknown {
  const readers: Readonly<Partial<Record<GpuField, Reader>>> = READERS;
  return readers[field]?.(ask, gpu) ?? readStated(GPU[field], ask, gpu);
}

type Reader<Value = unknown> = (ask: Asker, gpu: Handle) => Value;

/** Rows that say how they are asked for, alone or member by member. */
type IsStated<R> = R extends { readonly ask: unknown }
  ? true
  : R extends { readonly members: infer M }
    ? M[keyof M] extends { readonly ask: unknown }
      ? true
      : false
    : false;
type Unstated = {
  [F in GpuField]: IsStated<(typeof GPU)[F]> extends true ? never : F;
}[GpuField];

/** What takes several calls, or more than the forms of readings/row.ts; read.ts has the rest. */
const READERS: { readonly [F in Exclude<Unstated, 'handle' | 'gpm'>]: Reader<GpuState[F]> } = {
  pci: (ask, gpu) => andThen(ask.call('deviceGetPciInfo', gpu), pciOf),
  computeCapability: (ask, gpu) =>
    mapReading(
      ask.call('deviceGetCudaComputeCapability', gpu),
      ({ major, minor }) => `${major}.${minor}`,
    ),
  platform: readPlatform,
  memory: readMemory,
  bar1: readBar1,
  fanPercents: readFans,
  clocksEventReasons: (ask, gpu) =>
    mapReading(ask.call('deviceGetCurrentClocksEventReasons', gpu), clocksEventReasons),
  performanceState: (ask, gpu) =>
    andThen(ask.call('deviceGetPerformanceState', gpu), state =>
      state === PERFORMANCE_STATE_UNKNOWN ? missing('unknown') : present(state),
    ),
  addressingMode: (ask, gpu) =>
    mapReading(
      ask.call('deviceGetAddressingMode', gpu),
      ({ value }) => ADDRESSING_MODES[value] ?? 'unknown',
    ),
  hostVgpuMode: readHostVgpuMode,
  sramUniqueErrors: readSramUniqueErrors,
  unrepairableMemory: readUnrepairableMemory,
  pcieReplayCounter: (ask, gpu) =>
    andThen(ask.call('deviceGetPcieReplayCounter', gpu), count =>
      count === NOT_AVAILABLE_32 ? missing('not_supported') : present(count),
    ),
  nvlinks: (ask, gpu) => readNvLinks(ask, gpu, { ends: true }),
  c2c: readC2c,
  fabric: readFabric,
  cpuAffinity: (ask, gpu) => mapReading(ask.call('deviceGetCpuAffinity', gpu), listOf),
  memoryAffinity: (ask, gpu) => mapReading(ask.call('deviceGetMemoryAffinity', gpu), listOf),
  migInstances: readMigInstances,
  migProfiles: readMigProfiles,
  lastBlackBoxFlushMs: (ask, gpu) =>
    mapReading(ask.call('deviceGetLastBBXFlushTime', gpu), ({ timestamp }) =>
      Number(timestamp / 1000n),
    ),
  processes: readProcesses,
  allProcesses: readAllProcesses,
};

/** Where the GPU is in its rack: v2, or v1 from a driver that has only that. */
function readPlatform(ask: Asker, gpu: Handle): GpuState['platform'] {
  const v2 = ask.call('deviceGetPlatformInfo', gpu);
  if (v2.ok || v2.reason !== 'argument_version_mismatch') {
    return andThen(v2, ({ chassisSerialNumber, slotNumber, trayIndex, hostId, moduleId }) =>
      inRack({
        ...serialOf(chassisSerialNumber),
        slot: slotNumber,
        tray: trayIndex,
        host: hostId,
        moduleId,
      }),
    );
  }
  return andThen(ask.call('deviceGetPlatformInfoV1', gpu), info =>
    inRack({
      slot: info.chassisPhysicalSlotNumber,
      tray: info.computeSlotIndex,
      host: info.nodeIndex,
      moduleId: info.moduleId,
    }),
  );
}

/** An H200 in no rack gives slot 0, tray 0, host 1; nvidia-smi prints N/A for them (seen by e2e/gpu). */
const inRack = (place: Platform): GpuState['platform'] =>
  place.chassisSerial === undefined && place.slot === 0 && place.tray === 0
    ? missing('not_supported', 'not in a rack: no chassis, slot 0, tray 0')
    : present(place);

function serialOf(text: string): { chassisSerial?: string } {
  const serial = plain(present(text));
  return serial.ok ? { chassisSerial: serial.value } : {};
}

/** One number per fan; a board without fans has none. Up to R470 there is one number for all. */
function readFans(ask: Asker, gpu: Handle): Reading<readonly number[]> {
  const count = ask.call('deviceGetNumFans', gpu);
  if (isOlder(count)) return mapReading(ask.call('deviceGetFanSpeedV1', gpu), speed => [speed]);
  if (!count.ok) return count;
  const percents: number[] = [];
  for (let fan = 0; fan < Math.min(count.value, FANS_MAX); fan++) {
    const percent = ask.call('deviceGetFanSpeed', gpu, fan);
    if (!percent.ok) return percent;
    percents.push(percent.value);
  }
  return present(percents);
}

const FANS_MAX = 16;

/** Asked only on a host of virtual GPUs: elsewhere the driver has no answer. */
function readHostVgpuMode(ask: Asker, gpu: Handle): GpuState['hostVgpuMode'] {
  const mode = ask.call('deviceGetVirtualizationMode', gpu);
  if (!mode.ok) return mode;
  if (VIRTUALIZATION_MODES[mode.value] !== 'host_vgpu') return missing('not_supported');
  return mapReading(
    ask.call('deviceGetHostVgpuMode', gpu),
    number => HOST_VGPU_MODES[number] ?? 'unknown',
  );
}

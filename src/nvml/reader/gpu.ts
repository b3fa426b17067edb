import { mapReading, missing, present, type Reading } from '../../contract/reading.ts';
import type { Memory, SramUniqueErrors } from '../readings/memory.ts';
import type { Ask, Form, Row } from '../readings/row.ts';
import { GPU, type GpuField, type GpuState } from '../readings.ts';
import {
  ADDRESSING_MODES,
  clocksEventReasons,
  HOST_VGPU_MODES,
  NOT_AVAILABLE_32,
  PERFORMANCE_STATE_UNKNOWN,
  VIRTUALIZATION_MODES,
} from '../table/enums.ts';
import { structVersion } from '../table/layout.ts';
import type { Handle } from '../table/shapes.ts';
import { unrepairableMemory } from '../table/structs.ts';
import type { Asker } from './ask.ts';
import { readC2c, readFabric } from './interconnect.ts';
import { readNvLinks, readNvLinkTraffic } from './nvlink.ts';
import { readAllProcesses, readMigInstances, readMigProfiles, readProcesses } from './sharing.ts';
import { andThen, counted, isOlder, listOf, named, pciOf, plain } from './steps.ts';

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
  fans: readFans,
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
  nvlinkTraffic: readNvLinkTraffic,
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

/** A reading whose row says how it is asked for, or a group of such readings. */
function readStated(row: Row, ask: Asker, gpu: Handle): unknown {
  const { ask: stated, otherwise, members = {} } = row;
  if (!stated) {
    return Object.fromEntries(
      Object.entries(members).map(([name, member]) => [name, readStated(member, ask, gpu)]),
    );
  }
  const first = answered(stated, ask, gpu);
  if (!otherwise || first.ok || first.reason !== 'not_supported') return first;
  const second = answered(otherwise, ask, gpu);
  return second.ok ? second : first;
}

function answered(stated: Ask, ask: Asker, gpu: Handle): Reading<unknown> {
  const answer =
    'field' in stated
      ? ask.field(gpu, stated.field, stated.scope)
      : ask.ask(stated.call, [gpu, ...stated.inputs]);
  return andThen(answer, (value: unknown) => formed(value, stated.form));
}

function formed(value: unknown, form: Form): Reading<unknown> {
  if (typeof form === 'object') {
    if ('member' in form) return formed(Object(value)[form.member], 'number');
    if ('members' in form) return present(recordOf(Object(value), form.members));
    return typeof value === 'number' ? named(present(value), form.words) : NO_SUCH_VALUE;
  }
  if (form === 'success') return value === true ? present(value) : NO_SUCH_VALUE;
  if (form === 'length') return Array.isArray(value) ? present(value.length) : NO_SUCH_VALUE;
  if (form === 'text') return typeof value === 'string' ? plain(present(value)) : NO_SUCH_VALUE;
  if (typeof value === 'bigint') return counted(present(value));
  if (typeof value !== 'number') return NO_SUCH_VALUE;
  return present(form === 'flag' ? value !== 0 : value);
}

const recordOf = (
  values: Readonly<Record<string, unknown>>,
  members: Extract<Form, { readonly members: unknown }>['members'],
) =>
  Object.fromEntries(
    Object.entries(members).map(([name, { member, form }]) => {
      const amount = Number(values[member]);
      return [name, form === 'flag' ? amount !== 0 : amount];
    }),
  );

/** The compiler sees to it that no row asks for what its function does not give. */
const NO_SUCH_VALUE = missing('unreadable');

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

type Platform = Extract<GpuState['platform'], { ok: true }>['value'];

/** An H200 in no rack gives slot 0, tray 0, host 1; nvidia-smi prints N/A for them (seen by e2e/gpu). */
const inRack = (place: Platform): Reading<Platform> =>
  place.chassisSerial === undefined && place.slot === 0 && place.tray === 0
    ? missing('not_supported', 'not in a rack: no chassis, slot 0, tray 0')
    : present(place);

function serialOf(text: string): { chassisSerial?: string } {
  const serial = plain(present(text));
  return serial.ok ? { chassisSerial: serial.value } : {};
}

/** One reading per fan; a board without fans has none. Up to R470 there is one number for all. */
function readFans(ask: Asker, gpu: Handle): GpuState['fans'] {
  const count = ask.call('deviceGetNumFans', gpu);
  if (isOlder(count)) {
    return mapReading(ask.call('deviceGetFanSpeedV1', gpu), speed => [{ percent: present(speed) }]);
  }
  if (!count.ok) return count;
  const fans = Array.from({ length: Math.min(count.value, FANS_MAX) }, (_, fan) => ({
    percent: ask.call('deviceGetFanSpeed', gpu, fan),
  }));
  return present(fans);
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

/** Frame-buffer memory: v2, which has the reserved part; v1 where the driver is older than R510. */
function readMemory(ask: Asker, gpu: Handle): Reading<Memory> {
  const v2 = ask.call('deviceGetMemoryInfo', gpu);
  if (v2.ok || !isOlder(v2)) {
    return mapReading(v2, ({ total, used, free, reserved }) => ({
      totalBytes: Number(total),
      usedBytes: Number(used),
      freeBytes: Number(free),
      reservedBytes: Number(reserved),
    }));
  }
  return mapReading(ask.call('deviceGetMemoryInfoV1', gpu), ({ total, used, free }) => ({
    totalBytes: Number(total),
    usedBytes: Number(used),
    freeBytes: Number(free),
  }));
}

/** Only where the GPU counts an uncorrected error: no error has no address, and costs no call. */
function readSramUniqueErrors(ask: Asker, gpu: Handle): Reading<SramUniqueErrors> {
  const status = ask.call('deviceGetSramEccErrorStatus', gpu);
  if (!status.ok) return status;
  const { aggregateUncParity, aggregateUncSecDed, volatileUncParity, volatileUncSecDed } =
    status.value;
  const errors = aggregateUncParity + aggregateUncSecDed + volatileUncParity + volatileUncSecDed;
  if (errors === 0n) return present({ addresses: 0, worst: [] });
  const listed = ask.call('deviceGetSramUniqueUncorrectedEccErrorCounts', gpu);
  // Neighbours without an error answer without it: theirs is no proof that this driver has it.
  if (!listed.ok && listed.reason === 'not_supported') {
    return missing('not_supported', 'the driver lists no addresses');
  }
  return mapReading(
    listed,
    (entries): SramUniqueErrors => ({
      addresses: entries.length,
      worst: entries
        .toSorted((a, b) => b.count - a.count)
        .slice(0, WORST_ADDRESSES)
        .map(({ isParity, ...place }) => ({ ...place, parity: isParity !== 0 })),
    }),
  );
}

const WORST_ADDRESSES = 8;

const UNREPAIRABLE_V1 = structVersion(unrepairableMemory, unrepairableMemory.version);

/** A driver that takes no version word has put the flag in its place. */
function readUnrepairableMemory(ask: Asker, gpu: Handle): Reading<boolean> {
  return mapReading(
    ask.call('deviceGetUnrepairableMemoryFlag', gpu),
    ({ version, bUnrepairableMemory }) =>
      bUnrepairableMemory !== 0 || (version !== UNREPAIRABLE_V1 && version !== 0),
  );
}

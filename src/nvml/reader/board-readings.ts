import { mapReading, missing, present, type Reading } from '../../contract/reading.ts';
import type { C2c, GpuState, Platform } from '../port.ts';
import { ADDRESSING_MODES, HOST_VGPU_MODES, VIRTUALIZATION_MODES } from '../table/enums.ts';
import { structVersion } from '../table/layout.ts';
import type { Handle } from '../table/shapes.ts';
import { unrepairableMemory } from '../table/structs-broad.ts';
import type { Asker } from './ask.ts';
import { plain } from './reading-steps.ts';

/** What the board is, how it is wired to the CPU, and which of its repairs wait. */

/** The chip-to-chip links; their fields are asked for only where there are such links. */
export function readC2c(ask: Asker, gpu: Handle): Reading<C2c> {
  const count = ask.field(gpu, 'c2cCount');
  if (!count.ok) return count;
  const links = Math.min(count.value, C2C_LINKS_MAX);
  if (links === 0) return missing('not_supported');
  const asks = [
    ...Array.from({ length: links }, (_, scope) => ({ field: 'c2cStatus', scope }) as const),
    { field: 'c2cBandwidth', scope: 0 } as const,
    { field: 'c2cErrors', scope: 0 } as const,
    { field: 'c2cReplays', scope: 0 } as const,
  ];
  const answers = ask.call('deviceGetFieldValues', gpu, asks);
  if (!answers.ok) return answers;
  const status = answers.value.slice(0, links);
  const [bandwidth, errors, replays] = answers.value.slice(links);
  return present({
    links,
    activeLinks: active(status),
    maxBandwidthMbps: bandwidth ?? missing('not_read'),
    crcErrors: errors ?? missing('not_read'),
    replayErrors: replays ?? missing('not_read'),
  });
}

/** More than any GPU has. */
const C2C_LINKS_MAX = 32;

/** How many links are up; one that says nothing makes the number unknown. */
function active(status: readonly Reading<number>[]): Reading<number> {
  const silent = status.find(reading => !reading.ok);
  if (silent && !silent.ok) return silent;
  return present(status.filter(reading => reading.ok && reading.value === 1).length);
}

/** Where the GPU is in its rack: v2, or v1 from a driver that has only that. */
export function readPlatform(ask: Asker, gpu: Handle): Reading<Platform> {
  const v2 = ask.call('deviceGetPlatformInfo', gpu);
  if (v2.ok || v2.reason !== 'argument_version_mismatch') {
    return mapReading(v2, ({ chassisSerialNumber, slotNumber, trayIndex, hostId, moduleId }) => ({
      ...serialOf(chassisSerialNumber),
      slot: slotNumber,
      tray: trayIndex,
      host: hostId,
      moduleId,
    }));
  }
  return mapReading(ask.call('deviceGetPlatformInfoV1', gpu), info => ({
    slot: info.chassisPhysicalSlotNumber,
    tray: info.computeSlotIndex,
    host: info.nodeIndex,
    moduleId: info.moduleId,
  }));
}

function serialOf(text: string): { chassisSerial?: string } {
  const serial = plain(present(text));
  return serial.ok ? { chassisSerial: serial.value } : {};
}

/** Asked only on a host of virtual GPUs: elsewhere the driver has no answer. */
export function readHostVgpuMode(ask: Asker, gpu: Handle): GpuState['hostVgpuMode'] {
  const mode = ask.virtualizationMode(gpu);
  if (!mode.ok) return mode;
  if (VIRTUALIZATION_MODES[mode.value] !== 'host_vgpu') return missing('not_supported');
  return mapReading(
    ask.call('deviceGetHostVgpuMode', gpu),
    number => HOST_VGPU_MODES[number] ?? 'unknown',
  );
}

export const readAddressingMode = (ask: Asker, gpu: Handle): GpuState['addressingMode'] =>
  mapReading(
    ask.call('deviceGetAddressingMode', gpu),
    ({ value }) => ADDRESSING_MODES[value] ?? 'unknown',
  );

export const readRepairPending = (ask: Asker, gpu: Handle): GpuState['repairPending'] =>
  mapReading(
    ask.call('deviceGetRepairStatus', gpu),
    ({ bChannelRepairPending, bTpcRepairPending }) => ({
      channel: bChannelRepairPending !== 0,
      tpc: bTpcRepairPending !== 0,
    }),
  );

const UNREPAIRABLE_V1 = structVersion(unrepairableMemory, unrepairableMemory.version);

/** A driver that takes no version word has put the flag in its place. */
export const readUnrepairableMemory = (ask: Asker, gpu: Handle): Reading<boolean> =>
  mapReading(
    ask.call('deviceGetUnrepairableMemoryFlag', gpu),
    ({ version, bUnrepairableMemory }) =>
      bUnrepairableMemory !== 0 || (version !== UNREPAIRABLE_V1 && version !== 0),
  );

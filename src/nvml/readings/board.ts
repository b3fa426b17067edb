import * as z from 'zod';
import { publicText } from '../../contract/names-in-text.ts';
import { number, reading, text, yes } from '../../contract/reading-schema.ts';
import { ARCHITECTURES, BRANDS } from '../table/enums.ts';
import {
  type FieldRow,
  field,
  fieldFlag,
  flag,
  flagOf,
  group,
  numberIn,
  numberOf,
  recordOf,
  successOf,
  textOf,
  wordOf,
} from './row.ts';

/** What a GPU is: its names, its board, where it sits, its firmware. */
// biome-ignore format: a table
export const BOARD = {
  /** That there is a handle; else why the driver gives none, as `gpu_is_lost`. */
  handle:            { label: 'handle', depth: 'first', counters: true, shown: 'apart', schema: yes },
  name:              { label: 'name', depth: 'first', ...textOf('deviceGetName') },
  uuid:              { label: 'UUID', depth: 'first', ...textOf('deviceGetUUID') },
  serial:            { label: 'serial number', depth: 'first', ...textOf('deviceGetSerial') },
  /** nvmlDeviceGetPciInfo, as `dddd:bb:dd`. */
  pci:               { label: 'PCI address', depth: 'first', shown: 'apart', schema: text },
  boardPartNumber:   { label: 'board part number', depth: 'all', ...textOf('deviceGetBoardPartNumber') },
  /** NVML_BRAND_* in lower case, as `tesla`, `nvidia`. */
  brand:             { label: 'brand', depth: 'all', ...wordOf('deviceGetBrand', BRANDS) },
  /** NVML_DEVICE_ARCH_* in lower case, as `hopper`. */
  architecture:      { label: 'architecture', depth: 'all', ...wordOf('deviceGetArchitecture', ARCHITECTURES) },
  /** nvmlDeviceGetCudaComputeCapability, as `9.0`. */
  computeCapability: { label: 'compute capability', depth: 'all', schema: text },
  /** The physical place on the baseboard. */
  moduleId:          { label: 'module id', depth: 'all', ...numberOf('deviceGetModuleId') },
  /** Equal for the GPUs of one board. */
  boardId:           { label: 'board id', depth: 'all', ...numberOf('deviceGetBoardId') },
  multiGpuBoard:     { label: 'multi-GPU board', depth: 'all', ...flagOf('deviceGetMultiGpuBoard') },
  /** nvmlDeviceGetPlatformInfo: where the GPU sits in its rack (NVL72 and the like). */
  platform:          { label: 'place in the rack', depth: 'all', schema: reading(z.object({
    chassisSerial: publicText.exactOptional(),
    slot: z.number(), tray: z.number(), host: z.number(), moduleId: z.number(),
  })) },
  minorNumber:       { label: 'minor number', depth: 'first', ...numberOf('deviceGetMinorNumber') },
  vbios:             { label: 'VBIOS version', depth: 'first', ...textOf('deviceGetVbiosVersion') },
  /** The board's own storage. */
  inforom:           { depth: 'all', ...group({
    /** Of the whole image, as `G520.0200.00.05`. */
    imageVersion:    { label: 'InfoROM', ...textOf('deviceGetInforomImageVersion') },
    oemVersion:      { label: 'InfoROM', ...textOf('deviceGetInforomVersion', 'oem') },
    eccVersion:      { label: 'InfoROM', ...textOf('deviceGetInforomVersion', 'ecc') },
    powerVersion:    { label: 'InfoROM', ...textOf('deviceGetInforomVersion', 'power') },
    /** Of the configuration in it, equal on equal boards; `corrupted_inforom` where it does not fit. */
    configurationChecksum: { label: 'InfoROM', ...numberOf('deviceGetInforomConfigurationChecksum') },
    /** The checksums of all of it, read from the flash; `corrupted_inforom` where one does not fit. */
    valid:           { label: 'InfoROM', ...successOf('deviceValidateInforom') },
  }) },
  /** The GPU's system processor, which runs most of the driver since R510. */
  gsp:               { depth: 'all', ...group({
    firmwareVersion: { label: 'GSP firmware version', ...textOf('deviceGetGspFirmwareVersion') },
    firmwareMode:    { label: 'GSP firmware mode', ...recordOf('deviceGetGspFirmwareMode', { enabled: flag('isEnabled'), defaultEnabled: flag('defaultMode') }) },
  }) },
} as const satisfies Record<string, FieldRow>;

/** What the board has recorded, and what the driver asks to be done with it. */
// biome-ignore format: a table
export const UPKEEP = {
  bridgeChips:         { label: 'bridge chips', depth: 'all', ...numberIn('deviceGetBridgeChipInfo', 'bridgeCount') },
  /** nvmlDeviceGetLastBBXFlushTime: when the board's black box was last written, in ms since 1970. */
  lastBlackBoxFlushMs: { label: 'black box', depth: 'all', schema: number },
  /** 0 none ... 5 recover the IMEX domain. */
  recoveryAction:      { label: 'recovery action', depth: 'first', ...field('gpuRecoveryAction') },
  /** What older drivers have instead of the recovery action; newer ones call these two deprecated. */
  resetRequired:       { label: 'reset status', depth: 'all', ...fieldFlag('resetStatus') },
  drainAndResetRecommended: { label: 'drain and reset status', depth: 'all', ...fieldFlag('drainAndResetStatus') },
} as const satisfies Record<string, FieldRow>;

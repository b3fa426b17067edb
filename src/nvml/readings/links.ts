import * as z from 'zod';
import { publicText } from '../../contract/names-in-text.ts';
import { type Fixed, number, reading, text } from '../../contract/reading-schema.ts';
import { FABRIC_STATES } from '../table/enums.ts';
import type { FieldName } from '../table/field-ids.ts';
import { type FieldRow, field, group, numberOf, schemasOf } from './row.ts';

/** What connects a GPU with its CPU and with other GPUs. */

/** The PCIe link as the GPU sees it. Counts are since its reset. */
// biome-ignore format: a table
export const PCIE = {
  pcieGenerationCurrent: { label: 'PCIe generation', depth: 'first', ...numberOf('deviceGetCurrPcieLinkGeneration') },
  pcieGenerationMax:     { label: 'PCIe generation', depth: 'first', ...numberOf('deviceGetMaxPcieLinkGeneration') },
  pcieWidthCurrent:      { label: 'PCIe width', depth: 'first', ...numberOf('deviceGetCurrPcieLinkWidth') },
  pcieWidthMax:          { label: 'PCIe width', depth: 'first', ...numberOf('deviceGetMaxPcieLinkWidth') },
  /** nvmlDeviceGetPcieReplayCounter */
  pcieReplayCounter:     { label: 'PCIe replays', depth: 'first', counters: true, schema: number },
  pcieCounters:          { depth: 'all', counters: true, ...group({
    replays:             { label: 'PCIe replays', ...field('pcieReplay') },
    replayRollovers:     { label: 'PCIe replay rollovers', ...field('pcieReplayRollover') },
    l0ToRecovery:        { label: 'PCIe recoveries', ...field('pcieL0ToRecovery') },
    correctable:         { label: 'correctable PCIe errors', ...field('pcieCorrectable') },
    naksReceived:        { label: 'PCIe NAKs received', ...field('pcieNaksReceived') },
    naksSent:            { label: 'PCIe NAKs sent', ...field('pcieNaksSent') },
    receiverErrors:      { label: 'PCIe receiver errors', ...field('pcieReceiverErrors') },
    badTlp:              { label: 'bad PCIe TLPs', ...field('pcieBadTlp') },
    badDllp:             { label: 'bad PCIe DLLPs', ...field('pcieBadDllp') },
    nonFatal:            { label: 'non-fatal PCIe errors', ...field('pcieNonFatal') },
    fatal:               { label: 'fatal PCIe errors', ...field('pcieFatal') },
    unsupportedRequests: { label: 'unsupported PCIe requests', ...field('pcieUnsupportedRequests') },
    lcrcErrors:          { label: 'PCIe LCRC errors', ...field('pcieLcrcErrors') },
    laneErrors:          { label: 'PCIe lane errors', ...field('pcieLaneErrors') },
    txBytes:             { label: 'PCIe bytes sent', grows: 'with load', wraps: true, ...field('pcieTxBytes') },
    rxBytes:             { label: 'PCIe bytes received', grows: 'with load', wraps: true, ...field('pcieRxBytes') },
  }) },
} as const satisfies Record<string, FieldRow>;

/**
 * A counter of one link: what the first of these fields gives that the driver knows of it. Links up to
 * NVLink 4 and newer ones have counters of their own; which a link has is told by which fields answer.
 */
const counterOf = (...fields: readonly FieldName[]) =>
  ({ label: 'NVLink errors', schema: number, fields }) as const;

/** Counts since the link was trained. Older drivers have the fields that are numbered link by link. */
// biome-ignore format: a table
export const LINK_ERRORS = {
  replay:           counterOf('nvlinkReplay', 'nvlinkReplayOfLink'),
  recovery:         counterOf('nvlinkRecovery', 'nvlinkRecoveryOfLink'),
  crcFlit:          counterOf('nvlinkCrc', 'nvlinkCrcFlitOfLink'),
  crcData:          counterOf('nvlinkCrcDataOfLink'),
  eccData:          counterOf('nvlinkEccDataOfLink'),
  recoveryEvents:   counterOf('nvlinkRecoveryEvents'),
  recoveryFailed:   counterOf('nvlinkRecoveryFailed'),
  effective:        counterOf('nvlinkEffectiveErrors'),
  symbol:           counterOf('nvlinkSymbolErrors'),
  malformedPackets: counterOf('nvlinkMalformedPackets'),
  received:         counterOf('nvlinkReceiveErrors'),
  /** Packets that the other end had marked as broken, and those with a wrong header. */
  receivedMarked:   counterOf('nvlinkRemoteErrors'),
  receivedHeader:   counterOf('nvlinkGeneralErrors'),
  bufferOverruns:   counterOf('nvlinkBufferOverruns'),
  localIntegrity:   counterOf('nvlinkLocalIntegrity'),
  transmitDiscards: counterOf('nvlinkTransmitDiscards'),
} as const;

// biome-ignore format: a table
const LINK = {
  state:      { label: 'NVLink state', schema: reading(z.enum(['active', 'inactive', 'sleep', 'active_traffic_disabled'])) },
  /** As `4.0`; no rule goes by it. */
  version:    { label: 'NVLink version', schema: text },
  speedMbps:  { label: 'NVLink speed', schema: number },
  remoteType: { label: 'NVLink ends', schema: reading(z.enum(['gpu', 'npu', 'switch', 'unknown'])) },
  /** As `dddd:bb:dd`. */
  remotePci:  { label: 'NVLink ends', schema: text },
  /** Bits that stay wrong after forward error correction, and after retransmission too; 1.5e-254 is none. */
  effectiveBer: { label: 'NVLink bit errors', schema: number },
  symbolBer:  { label: 'NVLink bit errors', schema: number },
  errors:     group(LINK_ERRORS),
} as const;

const link = z.object({ link: z.number(), ...schemasOf(LINK) });
export type NvLink = Fixed<z.infer<typeof link>>;
const nvlinks = z.object({
  /** NVML_FI_DEV_NVLINK_LINK_COUNT: indexes that the driver knows, not all of them wired. */
  indexes: z.number(),
  /** Links that this GPU has: the indexes whose state can be read at all. */
  links: z.array(link),
});
export type NvLinks = Fixed<z.infer<typeof nvlinks>>;

// biome-ignore format: a table
const C2C = {
  activeLinks:      { label: 'C2C links', schema: number },
  /** Of the slowest link that is up; errors are those of the link with most. */
  maxBandwidthMbps: { label: 'C2C bandwidth', schema: number },
  crcErrors:        { label: 'C2C CRC errors', schema: number },
  replayErrors:     { label: 'C2C replays', schema: number },
} as const;

const c2c = z.object({ links: z.number(), ...schemasOf(C2C) });
export type C2c = Fixed<z.infer<typeof c2c>>;

/** A field of the health mask: 0 of nvml.h is `not_supported`. */
const fabricHealth = z.enum(['not_supported', 'fault', 'healthy']);
const fabric = z.object({
  /** Alone where it is not_supported. */
  state: z.enum(FABRIC_STATES),
  /** Of the probe, and only meaningful when it is completed: `success`, or NVML's return code as a word. */
  status: publicText.exactOptional(),
  cliqueId: z.number().exactOptional(),
  /** Absent where it is all zero, as on a machine by itself. */
  clusterUuid: publicText.exactOptional(),
  /** Only with v2 and newer. All healthy or not supported is no fault. */
  health: z
    .object({
      mask: z.number(),
      degradedBandwidth: fabricHealth,
      routeRecovery: fabricHealth,
      routeUnhealthy: fabricHealth,
      accessTimeoutRecovery: fabricHealth,
      /** `none` is the correct configuration. */
      incorrectConfiguration: publicText,
    })
    .exactOptional(),
  /** Only with v3. */
  summary: z
    .enum(['not_supported', 'healthy', 'unhealthy', 'limited_capacity', 'unknown'])
    .exactOptional(),
});
export type Fabric = Fixed<z.infer<typeof fabric>>;

// biome-ignore format: a table
export const LINKS = {
  nvlinks:        { label: 'NVLink', depth: 'all', counters: true, shown: 'apart', schema: reading(nvlinks), members: LINK },
  /** The chip-to-chip links between Grace and the GPU. */
  c2c:            { label: 'C2C', depth: 'all', counters: true, schema: reading(c2c), members: C2C },
  /** Registration with the NVLink fabric: NVSwitch machines of Hopper and newer. */
  fabric:         { label: 'fabric', depth: 'all', schema: reading(fabric) },
  /** nvmlDeviceGetCpuAffinity: CPUs near the GPU as the kernel lists them, `0-47,96-143`. */
  cpuAffinity:    { label: 'CPU affinity', depth: 'all', schema: text },
  /** nvmlDeviceGetMemoryAffinity: NUMA nodes near the GPU, as `0`. */
  memoryAffinity: { label: 'memory affinity', depth: 'all', schema: text },
  /** The NUMA node that the GPU's own memory is; only where GPUs are NUMA nodes (Grace). */
  numaNode:       { label: 'NUMA node', depth: 'all', ...numberOf('deviceGetNumaNodeId') },
} as const satisfies Record<string, FieldRow>;

/** A counter of all links together. */
const movedBy = (field: FieldName, label: string) => ({ label, schema: number, field }) as const;

/**
 * What all links of a GPU have moved, data without protocol, in KiB: nvml.h calls it throughput, and it is
 * a counter that is not reset by reading (datadog-agent, pkg/gpu). It has no part in the one call for what is read of every GPU: nvml.h does
 * not say which GPUs have it, and a field that is not supported may leave others of its call unwritten.
 * It is what tells NVLink's rate where there is no GPM: Volta, Ampere, and drivers before R520.
 */
// biome-ignore format: a table
export const TRAFFIC = {
  nvlinkTraffic: { depth: 'on demand', shown: 'apart', ...group({
    sentKib:     movedBy('nvlinkDataTx', 'NVLink data sent'),
    receivedKib: movedBy('nvlinkDataRx', 'NVLink data received'),
  }) },
} as const satisfies Record<string, FieldRow>;
export type NvLinkTraffic = Fixed<z.infer<typeof TRAFFIC.nvlinkTraffic.schema>>;

/** Two GPUs of a node, the lower index first. */
export const gpuPair = z.object({
  gpus: z.tuple([z.number(), z.number()]),
  /** What lies between them on PCI, as nvidia-smi topo names it. */
  path: reading(z.enum(['internal', 'PIX', 'PXB', 'PHB', 'NODE', 'SYS', 'unknown'])),
  /** Whether one may read the other's memory: NVML_P2P_STATUS_* in lower case. */
  p2pRead: text,
});
export type GpuPair = Fixed<z.infer<typeof gpuPair>>;

import type { Reading } from '../contract/reading.ts';

/**
 * What belongs together in a GPU's state. A group whose members come from calls of their own has a
 * Reading each; one that a single call gives is a plain record within one Reading.
 */

/** The board's own storage. Versions as texts; the checksum is `corrupted_inforom` where it is. */
export interface Inforom {
  /** The whole image, as `G520.0200.00.05`. */
  readonly imageVersion: Reading<string>;
  readonly oemVersion: Reading<string>;
  readonly eccVersion: Reading<string>;
  readonly powerVersion: Reading<string>;
  /** Of the configuration stored in it: equal boards have equal ones. */
  readonly configurationChecksum: Reading<number>;
}

/** The GPU's system processor, which runs most of the driver since R510. */
export interface Gsp {
  readonly firmwareVersion: Reading<string>;
  readonly firmwareMode: Reading<{ readonly enabled: boolean; readonly defaultEnabled: boolean }>;
}

/**
 * In degrees Celsius. `margin` is the distance to the slowdown (T.Limit): it falls to 0 and below as
 * the GPU heats up, and the Tlimit thresholds are on its scale (Ada and newer). The others are
 * absolute.
 */
export interface Thermal {
  readonly marginC: Reading<number>;
  readonly shutdownTlimitC: Reading<number>;
  readonly slowdownTlimitC: Reading<number>;
  readonly memoryMaxTlimitC: Reading<number>;
  readonly gpuMaxTlimitC: Reading<number>;
  readonly memoryMaxC: Reading<number>;
  readonly gpuMaxC: Reading<number>;
}

/** In milliwatts. `module` is GPU with CPU (Grace Hopper, Grace Blackwell). */
export interface Power {
  readonly minLimitMw: Reading<number>;
  readonly maxLimitMw: Reading<number>;
  /** What NVML or another client asked for; the enforced limit may be lower. */
  readonly requestedLimitMw: Reading<number>;
  readonly instantMw: Reading<number>;
  /** Over one second. */
  readonly averageMw: Reading<number>;
  readonly memoryInstantMw: Reading<number>;
  readonly moduleInstantMw: Reading<number>;
  readonly moduleLimitMw: Reading<number>;
}

/**
 * For how long clocks were held down since the driver took the GPU, in nanoseconds: only the
 * difference of two readings says anything of now.
 */
export interface Violations {
  readonly powerNs: Reading<number>;
  readonly thermalNs: Reading<number>;
  readonly syncBoostNs: Reading<number>;
  readonly boardLimitNs: Reading<number>;
  readonly lowUtilizationNs: Reading<number>;
  readonly reliabilityNs: Reading<number>;
  readonly swThermalNs: Reading<number>;
  readonly hwThermalNs: Reading<number>;
  readonly hwPowerBrakeNs: Reading<number>;
}

/** Counts of ECC errors where they happened: volatile since the driver took the GPU, aggregate since it was built. */
export interface EccByLocation {
  readonly sramCorrectedVolatile: Reading<number>;
  readonly sramUncorrectedVolatile: Reading<number>;
  readonly sramCorrectedAggregate: Reading<number>;
  readonly sramUncorrectedAggregate: Reading<number>;
  readonly dramCorrectedVolatile: Reading<number>;
  readonly dramUncorrectedVolatile: Reading<number>;
  readonly dramCorrectedAggregate: Reading<number>;
  readonly dramUncorrectedAggregate: Reading<number>;
}

/** SRAM errors by kind and part of the chip; Ampere and newer, R550. Counts. */
export interface SramErrors {
  readonly parityUncorrectedVolatile: number;
  readonly secDedUncorrectedVolatile: number;
  readonly correctedVolatile: number;
  readonly parityUncorrectedAggregate: number;
  readonly secDedUncorrectedAggregate: number;
  readonly correctedAggregate: number;
  /** Aggregate uncorrected, by part. */
  readonly l2: number;
  readonly sm: number;
  readonly pcie: number;
  readonly microcontroller: number;
  readonly other: number;
  /** The driver's own verdict: so many that the board should be tested and replaced. */
  readonly thresholdExceeded: boolean;
}

/** How many memory banks have so many spare rows left: `max` all of them, `none` not one. */
export interface RemapHistogram {
  readonly max: number;
  readonly high: number;
  readonly partial: number;
  readonly low: number;
  readonly none: number;
}

/** Counts of PCIe errors as the GPU sees its link, since it was reset; bytes wrap. */
export interface PcieCounters {
  readonly replays: Reading<number>;
  readonly replayRollovers: Reading<number>;
  readonly l0ToRecovery: Reading<number>;
  readonly correctable: Reading<number>;
  readonly naksReceived: Reading<number>;
  readonly naksSent: Reading<number>;
  readonly receiverErrors: Reading<number>;
  readonly badTlp: Reading<number>;
  readonly badDllp: Reading<number>;
  readonly nonFatal: Reading<number>;
  readonly fatal: Reading<number>;
  readonly unsupportedRequests: Reading<number>;
  readonly lcrcErrors: Reading<number>;
  readonly laneErrors: Reading<number>;
  readonly txBytes: Reading<number>;
  readonly rxBytes: Reading<number>;
}

export interface NvLinks {
  /** NVML_FI_DEV_NVLINK_LINK_COUNT: indexes that the driver knows, not all of them wired. */
  readonly indexes: number;
  /** Links that this GPU has: the indexes whose state can be read at all. */
  readonly links: readonly NvLink[];
}

export interface NvLink {
  readonly link: number;
  readonly state: Reading<'active' | 'inactive' | 'sleep' | 'active_traffic_disabled'>;
  /** As `4.0`. */
  readonly version: Reading<string>;
  readonly speedMbps: Reading<number>;
  readonly remoteType: Reading<'gpu' | 'npu' | 'switch' | 'unknown'>;
  /** Normalised, `dddd:bb:dd`. */
  readonly remotePci: Reading<string>;
  /** L1, the link's low-power state. */
  readonly lowPower: Reading<boolean>;
  readonly errors: NvLinkErrors;
}

/** Counts since the link was trained. Those of the other generation are `not_supported`. */
export interface NvLinkErrors {
  /** NVLink 1 to 4. */
  readonly replay: Reading<number>;
  readonly recovery: Reading<number>;
  readonly crcFlit: Reading<number>;
  readonly crcData: Reading<number>;
  readonly eccData: Reading<number>;
  /** NVLink 5 and newer. */
  readonly recoveryEvents: Reading<number>;
  readonly recoveryFailed: Reading<number>;
  readonly effective: Reading<number>;
  readonly symbol: Reading<number>;
  readonly malformedPackets: Reading<number>;
  readonly received: Reading<number>;
  readonly localIntegrity: Reading<number>;
  readonly transmitDiscards: Reading<number>;
}

/** The chip-to-chip link between Grace and the GPU. */
export interface C2c {
  readonly links: number;
  readonly activeLinks: Reading<number>;
  readonly maxBandwidthMbps: Reading<number>;
  readonly crcErrors: Reading<number>;
  readonly replayErrors: Reading<number>;
}

/** A field of the health mask: 0 of nvml.h is `not_supported`. */
export type FabricHealth = 'not_supported' | 'fault' | 'healthy';

/** Registration with the NVLink fabric: NVSwitch machines of Hopper and newer. */
export interface Fabric {
  readonly state: 'not_supported' | 'not_started' | 'in_progress' | 'completed' | 'unknown';
  /** Of the probe, and only meaningful when it is completed: `success` or NVML's return code as a word. */
  readonly status: string;
  readonly cliqueId: number;
  /** All zero, as on one machine by itself: absent. */
  readonly clusterUuid?: string;
  /** Only with v2 and newer. Not one field is a fault where all are healthy or not supported. */
  readonly health?: {
    readonly mask: number;
    readonly degradedBandwidth: FabricHealth;
    readonly routeRecovery: FabricHealth;
    readonly routeUnhealthy: FabricHealth;
    readonly accessTimeoutRecovery: FabricHealth;
    /** `none` is the correct configuration. */
    readonly incorrectConfiguration: string;
  };
  /** Only with v3. */
  readonly summary?: 'not_supported' | 'healthy' | 'unhealthy' | 'limited_capacity' | 'unknown';
}

/** Where the GPU sits in its rack: NVL72 and the like. */
export interface Platform {
  readonly chassisSerial?: string;
  readonly slot: number;
  readonly tray: number;
  readonly host: number;
  readonly moduleId: number;
}

/** In percent of the last sample period, which the driver chooses (167 ms to 1 s). */
export interface Engines {
  readonly encoderPercent: Reading<number>;
  readonly decoderPercent: Reading<number>;
  readonly jpegPercent: Reading<number>;
  readonly ofaPercent: Reading<number>;
}

import * as z from 'zod';
import { number, reading, text } from '../contract/reading-schema.ts';

/** Readings that belong together, in messages; port-groups.ts says what they mean. */

export const memory = reading(
  z.object({
    totalBytes: z.number(),
    usedBytes: z.number(),
    freeBytes: z.number(),
    reservedBytes: z.number().exactOptional(),
  }),
);
export const mode = reading(z.object({ current: z.boolean(), pending: z.boolean() }));

export const processes = reading(
  z.array(
    z.object({
      pid: z.number(),
      kind: z.enum(['compute', 'graphics']),
      mps: z.literal(true).exactOptional(),
      usedBytes: z.number().exactOptional(),
      gpuInstance: z.number().exactOptional(),
      computeInstance: z.number().exactOptional(),
    }),
  ),
);

export const inforom = z.object({
  imageVersion: text,
  oemVersion: text,
  eccVersion: text,
  powerVersion: text,
  configurationChecksum: number,
});

export const thermal = z.object({
  marginC: number,
  shutdownTlimitC: number,
  slowdownTlimitC: number,
  memoryMaxTlimitC: number,
  gpuMaxTlimitC: number,
  memoryMaxC: number,
  gpuMaxC: number,
});

export const power = z.object({
  minLimitMw: number,
  maxLimitMw: number,
  requestedLimitMw: number,
  instantMw: number,
  averageMw: number,
  memoryInstantMw: number,
  moduleInstantMw: number,
  moduleLimitMw: number,
});

export const violations = z.object({
  powerNs: number,
  thermalNs: number,
  syncBoostNs: number,
  boardLimitNs: number,
  lowUtilizationNs: number,
  reliabilityNs: number,
  swThermalNs: number,
  hwThermalNs: number,
  hwPowerBrakeNs: number,
});

export const eccByLocation = z.object({
  sramCorrectedVolatile: number,
  sramUncorrectedVolatile: number,
  sramCorrectedAggregate: number,
  sramUncorrectedAggregate: number,
  dramCorrectedVolatile: number,
  dramUncorrectedVolatile: number,
  dramCorrectedAggregate: number,
  dramUncorrectedAggregate: number,
});

export const pcieCounters = z.object({
  replays: number,
  replayRollovers: number,
  l0ToRecovery: number,
  correctable: number,
  naksReceived: number,
  naksSent: number,
  receiverErrors: number,
  badTlp: number,
  badDllp: number,
  nonFatal: number,
  fatal: number,
  unsupportedRequests: number,
  lcrcErrors: number,
  laneErrors: number,
  txBytes: number,
  rxBytes: number,
});

export const engines = z.object({
  encoderPercent: number,
  decoderPercent: number,
  jpegPercent: number,
  ofaPercent: number,
});

export const gsp = z.object({
  firmwareVersion: text,
  firmwareMode: reading(z.object({ enabled: z.boolean(), defaultEnabled: z.boolean() })),
});

export const sramErrors = reading(
  z.object({
    parityUncorrectedVolatile: z.number(),
    secDedUncorrectedVolatile: z.number(),
    correctedVolatile: z.number(),
    parityUncorrectedAggregate: z.number(),
    secDedUncorrectedAggregate: z.number(),
    correctedAggregate: z.number(),
    l2: z.number(),
    sm: z.number(),
    pcie: z.number(),
    microcontroller: z.number(),
    other: z.number(),
    thresholdExceeded: z.boolean(),
  }),
);

export const sramUniqueErrors = reading(
  z.object({
    addresses: z.number(),
    worst: z.array(
      z.object({
        unit: z.number(),
        location: z.number(),
        sublocation: z.number(),
        extlocation: z.number(),
        address: z.number(),
        parity: z.boolean(),
        count: z.number(),
      }),
    ),
  }),
);

export const remapHistogram = reading(
  z.object({
    max: z.number(),
    high: z.number(),
    partial: z.number(),
    low: z.number(),
    none: z.number(),
  }),
);

export const repairPending = reading(z.object({ channel: z.boolean(), tpc: z.boolean() }));

export const platform = reading(
  z.object({
    chassisSerial: z.string().exactOptional(),
    slot: z.number(),
    tray: z.number(),
    host: z.number(),
    moduleId: z.number(),
  }),
);

export const migInstances = reading(
  z.array(
    z.object({
      index: z.number(),
      gpuInstance: number,
      computeInstance: number,
      uuid: text,
      profile: text,
      profileId: number,
      placement: reading(z.object({ start: z.number(), size: z.number() })),
      totalBytes: number,
      usedBytes: number,
      slices: reading(
        z.object({
          gpuInstance: z.number(),
          computeInstance: z.number(),
          multiprocessors: z.number(),
        }),
      ),
    }),
  ),
);

export const migProfiles = reading(
  z.array(
    z.object({
      id: z.number(),
      name: z.string(),
      slices: z.number(),
      memoryMib: z.number(),
      instancesMax: z.number(),
      remaining: number,
    }),
  ),
);

export const allProcesses = reading(
  z.array(
    z.object({
      pid: z.number(),
      usedBytes: z.number().exactOptional(),
      protectedBytes: z.number().exactOptional(),
    }),
  ),
);

export const gpm = z.object({
  smActivePercent: number,
  smOccupancyPercent: number,
  tensorActivePercent: number,
  dramBandwidthPercent: number,
  fp64ActivePercent: number,
  fp32ActivePercent: number,
  fp16ActivePercent: number,
  pcieTxMibPerSecond: number,
  pcieRxMibPerSecond: number,
  nvlinkTxMibPerSecond: number,
  nvlinkRxMibPerSecond: number,
});

export const confidentialCompute = reading(
  z.object({
    environment: z.enum(['unavailable', 'simulation', 'production', 'unknown']),
    enabled: z.boolean(),
    devToolsMode: z.boolean(),
  }),
);

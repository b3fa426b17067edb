import { mapReading, present, type Reading } from '../../contract/reading.ts';
import type {
  EccByLocation,
  Engines,
  Gsp,
  Inforom,
  PcieCounters,
  Power,
  RemapHistogram,
  SramErrors,
  SramUniqueErrors,
  Thermal,
  Violations,
} from '../port.ts';
import type { FieldName } from '../table/field-ids.ts';
import { POWER_SCOPES } from '../table/field-ids.ts';
import type { Handle } from '../table/shapes.ts';
import type { Asker } from './ask.ts';
import { counted, plain } from './reading-steps.ts';

/** Readings that belong together: a group whose members each come to something or not. */

export const readInforom = (ask: Asker, gpu: Handle): Inforom => ({
  imageVersion: plain(ask.call('deviceGetInforomImageVersion', gpu)),
  oemVersion: plain(ask.call('deviceGetInforomVersion', gpu, 'oem')),
  eccVersion: plain(ask.call('deviceGetInforomVersion', gpu, 'ecc')),
  powerVersion: plain(ask.call('deviceGetInforomVersion', gpu, 'power')),
  configurationChecksum: ask.call('deviceGetInforomConfigurationChecksum', gpu),
});

export const readGsp = (ask: Asker, gpu: Handle): Gsp => ({
  firmwareVersion: plain(ask.call('deviceGetGspFirmwareVersion', gpu)),
  firmwareMode: mapReading(
    ask.call('deviceGetGspFirmwareMode', gpu),
    ({ isEnabled, defaultMode }) => ({
      enabled: isEnabled !== 0,
      defaultEnabled: defaultMode !== 0,
    }),
  ),
});

export const readThermal = (ask: Asker, gpu: Handle): Thermal => ({
  marginC: mapReading(
    ask.call('deviceGetMarginTemperature', gpu),
    ({ marginTemperature }) => marginTemperature,
  ),
  shutdownTlimitC: ask.field(gpu, 'shutdownTlimit'),
  slowdownTlimitC: ask.field(gpu, 'slowdownTlimit'),
  memoryMaxTlimitC: ask.field(gpu, 'memoryMaxTlimit'),
  gpuMaxTlimitC: ask.field(gpu, 'gpuMaxTlimit'),
  memoryMaxC: ask.call('deviceGetTemperatureThreshold', gpu, 'memoryMax'),
  gpuMaxC: ask.call('deviceGetTemperatureThreshold', gpu, 'gpuMax'),
});

export const readPower = (ask: Asker, gpu: Handle): Power => ({
  ...readPowerLimits(ask, gpu),
  requestedLimitMw: ask.field(gpu, 'powerRequestedLimit'),
  instantMw: ask.field(gpu, 'powerInstant'),
  averageMw: ask.field(gpu, 'powerAverage'),
  memoryInstantMw: ask.field(gpu, 'powerInstant', POWER_SCOPES.memory),
  moduleInstantMw: ask.field(gpu, 'powerInstant', POWER_SCOPES.module),
  moduleLimitMw: ask.field(gpu, 'powerCurrentLimit', POWER_SCOPES.module),
});

/** By field, or by the older function where the driver does not fill the fields. */
function readPowerLimits(ask: Asker, gpu: Handle): Pick<Power, 'minLimitMw' | 'maxLimitMw'> {
  const fields = {
    minLimitMw: ask.field(gpu, 'powerMinLimit'),
    maxLimitMw: ask.field(gpu, 'powerMaxLimit'),
  };
  const isUnfilled = Object.values(fields).some(
    reading => !reading.ok && reading.reason === 'not_supported',
  );
  if (!isUnfilled) return fields;
  const limits = ask.call('deviceGetPowerManagementLimitConstraints', gpu);
  if (!limits.ok) return fields;
  const { minLimit, maxLimit } = limits.value;
  return { minLimitMw: present(minLimit), maxLimitMw: present(maxLimit) };
}

export const readViolations = (ask: Asker, gpu: Handle): Violations => ({
  powerNs: ask.field(gpu, 'performancePower'),
  thermalNs: ask.field(gpu, 'performanceThermal'),
  syncBoostNs: ask.field(gpu, 'performanceSyncBoost'),
  boardLimitNs: ask.field(gpu, 'performanceBoardLimit'),
  lowUtilizationNs: ask.field(gpu, 'performanceLowUtilization'),
  reliabilityNs: ask.field(gpu, 'performanceReliability'),
  swThermalNs: ask.field(gpu, 'swThermalSlowdown'),
  hwThermalNs: ask.field(gpu, 'hwThermalSlowdown'),
  hwPowerBrakeNs: ask.field(gpu, 'hwPowerBrakeSlowdown'),
});

export function readEccByLocation(ask: Asker, gpu: Handle): EccByLocation {
  const count = (
    kind: 'corrected' | 'uncorrected',
    counter: 'volatile' | 'aggregate',
    location: 'sram' | 'dram',
  ) => counted(ask.call('deviceGetMemoryErrorCounter', gpu, kind, counter, location));
  return {
    sramCorrectedVolatile: count('corrected', 'volatile', 'sram'),
    sramUncorrectedVolatile: count('uncorrected', 'volatile', 'sram'),
    sramCorrectedAggregate: count('corrected', 'aggregate', 'sram'),
    sramUncorrectedAggregate: count('uncorrected', 'aggregate', 'sram'),
    dramCorrectedVolatile: count('corrected', 'volatile', 'dram'),
    dramUncorrectedVolatile: count('uncorrected', 'volatile', 'dram'),
    dramCorrectedAggregate: count('corrected', 'aggregate', 'dram'),
    dramUncorrectedAggregate: count('uncorrected', 'aggregate', 'dram'),
  };
}

export const readSramErrors = (ask: Asker, gpu: Handle): Reading<SramErrors> =>
  mapReading(ask.sramErrors(gpu), status => ({
    parityUncorrectedVolatile: Number(status.volatileUncParity),
    secDedUncorrectedVolatile: Number(status.volatileUncSecDed),
    correctedVolatile: Number(status.volatileCor),
    parityUncorrectedAggregate: Number(status.aggregateUncParity),
    secDedUncorrectedAggregate: Number(status.aggregateUncSecDed),
    correctedAggregate: Number(status.aggregateCor),
    l2: Number(status.aggregateUncBucketL2),
    sm: Number(status.aggregateUncBucketSm),
    pcie: Number(status.aggregateUncBucketPcie),
    microcontroller: Number(status.aggregateUncBucketMcu),
    other: Number(status.aggregateUncBucketOther),
    thresholdExceeded: status.bThresholdExceeded !== 0,
  }));

/** Only where the GPU counts an uncorrected error: no error has no address, and costs no call. */
export function readSramUniqueErrors(ask: Asker, gpu: Handle): Reading<SramUniqueErrors> {
  const status = ask.sramErrors(gpu);
  if (!status.ok) return status;
  const { aggregateUncParity, aggregateUncSecDed, volatileUncParity, volatileUncSecDed } =
    status.value;
  const errors = aggregateUncParity + aggregateUncSecDed + volatileUncParity + volatileUncSecDed;
  if (errors === 0n) return present({ addresses: 0, worst: [] });
  return mapReading(
    ask.call('deviceGetSramUniqueUncorrectedEccErrorCounts', gpu),
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

export const readRemapHistogram = (ask: Asker, gpu: Handle): Reading<RemapHistogram> =>
  ask.call('deviceGetRowRemapperHistogram', gpu);

/** Each counter with the field value that holds it. */
const PCIE_COUNTERS: { readonly [C in keyof PcieCounters]: FieldName } = {
  replays: 'pcieReplay',
  replayRollovers: 'pcieReplayRollover',
  l0ToRecovery: 'pcieL0ToRecovery',
  correctable: 'pcieCorrectable',
  naksReceived: 'pcieNaksReceived',
  naksSent: 'pcieNaksSent',
  receiverErrors: 'pcieReceiverErrors',
  badTlp: 'pcieBadTlp',
  badDllp: 'pcieBadDllp',
  nonFatal: 'pcieNonFatal',
  fatal: 'pcieFatal',
  unsupportedRequests: 'pcieUnsupportedRequests',
  lcrcErrors: 'pcieLcrcErrors',
  laneErrors: 'pcieLaneErrors',
  txBytes: 'pcieTxBytes',
  rxBytes: 'pcieRxBytes',
};

export function readPcieCounters(ask: Asker, gpu: Handle): PcieCounters {
  const of = (counter: keyof PcieCounters) => ask.field(gpu, PCIE_COUNTERS[counter]);
  return {
    replays: of('replays'),
    replayRollovers: of('replayRollovers'),
    l0ToRecovery: of('l0ToRecovery'),
    correctable: of('correctable'),
    naksReceived: of('naksReceived'),
    naksSent: of('naksSent'),
    receiverErrors: of('receiverErrors'),
    badTlp: of('badTlp'),
    badDllp: of('badDllp'),
    nonFatal: of('nonFatal'),
    fatal: of('fatal'),
    unsupportedRequests: of('unsupportedRequests'),
    lcrcErrors: of('lcrcErrors'),
    laneErrors: of('laneErrors'),
    txBytes: of('txBytes'),
    rxBytes: of('rxBytes'),
  };
}

export function readEngines(ask: Asker, gpu: Handle): Engines {
  const percent = (reading: Reading<{ readonly utilization: number }>) =>
    mapReading(reading, ({ utilization }) => utilization);
  return {
    encoderPercent: percent(ask.call('deviceGetEncoderUtilization', gpu)),
    decoderPercent: percent(ask.call('deviceGetDecoderUtilization', gpu)),
    jpegPercent: percent(ask.call('deviceGetJpgUtilization', gpu)),
    ofaPercent: percent(ask.call('deviceGetOfaUtilization', gpu)),
  };
}

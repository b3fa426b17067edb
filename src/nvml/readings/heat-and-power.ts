import * as z from 'zod';
import { reading } from '../../contract/reading-schema.ts';
import { POWER_SCOPES } from '../table/field-ids.ts';
import { type FieldRow, field, group, numberIn, numberOf } from './row.ts';

/** How hot a GPU is, what it draws, and where its limits lie. */
// biome-ignore format: a table
export const HEAT_AND_POWER = {
  temperatureC:         { label: 'temperature', depth: 'first', ...numberOf('deviceGetTemperature', 'gpu') },
  memoryTemperatureC:   { label: 'memory temperature', depth: 'all', ...field('memoryTemperature') },
  slowdownTemperatureC: { label: 'temperature limits', depth: 'first', ...numberOf('deviceGetTemperatureThreshold', 'slowdown') },
  shutdownTemperatureC: { label: 'temperature limits', depth: 'first', ...numberOf('deviceGetTemperatureThreshold', 'shutdown') },
  thermal:              { depth: 'all', ...group({
    /** T.Limit, the distance to the slowdown: it falls to 0 and below as the GPU heats up. Ada and newer. */
    marginC:            { label: 'temperature margin', ...numberIn('deviceGetMarginTemperature', 'marginTemperature') },
    /** Thresholds on the scale of the margin. */
    shutdownTlimitC:    { label: 'shutdown T.Limit', ...field('shutdownTlimit') },
    slowdownTlimitC:    { label: 'slowdown T.Limit', ...field('slowdownTlimit') },
    memoryMaxTlimitC:   { label: 'memory T.Limit', ...field('memoryMaxTlimit') },
    gpuMaxTlimitC:      { label: 'GPU T.Limit', ...field('gpuMaxTlimit') },
    /** Thresholds in absolute degrees. */
    memoryMaxC:         { label: 'temperature limits', ...numberOf('deviceGetTemperatureThreshold', 'memoryMax') },
    gpuMaxC:            { label: 'temperature limits', ...numberOf('deviceGetTemperatureThreshold', 'gpuMax') },
  }) },
  /** nvmlDeviceGetFanSpeed: one per fan, in percent of the maximum; none on a board without fans. */
  fanPercents:          { label: 'fan speed', depth: 'all', schema: reading(z.array(z.number())) },
  powerUsageMw:         { label: 'power draw', depth: 'first', ...numberOf('deviceGetPowerUsage') },
  powerLimitMw:         { label: 'power limit', depth: 'first', ...numberOf('deviceGetPowerManagementLimit') },
  enforcedPowerLimitMw: { label: 'enforced power limit', depth: 'first', ...numberOf('deviceGetEnforcedPowerLimit') },
  defaultPowerLimitMw:  { label: 'default power limit', depth: 'first', ...numberOf('deviceGetPowerManagementDefaultLimit') },
  power:                { depth: 'all', ...group({
    // Drivers that do not know these two fields have the call.
    minLimitMw:         { label: 'minimum power limit', ...field('powerMinLimit'), otherwise: numberIn('deviceGetPowerManagementLimitConstraints', 'minLimit').ask },
    maxLimitMw:         { label: 'maximum power limit', ...field('powerMaxLimit'), otherwise: numberIn('deviceGetPowerManagementLimitConstraints', 'maxLimit').ask },
    /** What NVML or another client asked for; the enforced limit may be lower. */
    requestedLimitMw:   { label: 'requested power limit', ...field('powerRequestedLimit') },
    instantMw:          { label: 'instant power draw', ...field('powerInstant') },
    /** Over one second. */
    averageMw:          { label: 'average power draw', ...field('powerAverage') },
    memoryInstantMw:    { label: 'memory power draw', ...field('powerInstant', POWER_SCOPES.memory) },
    /** The module is the GPU with its CPU: Grace Hopper, Grace Blackwell. */
    moduleInstantMw:    { label: 'module power draw', ...field('powerInstant', POWER_SCOPES.module) },
    moduleLimitMw:      { label: 'module power limit', ...field('powerCurrentLimit', POWER_SCOPES.module) },
  }) },
  /** Used since the driver was loaded, in millijoules. */
  energyMj:             { label: 'energy', depth: 'all', grows: 'with load', ...field('totalEnergy') },
} as const satisfies Record<string, FieldRow>;

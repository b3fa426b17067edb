import { mapReading, missing, present, type Reading } from '../../contract/reading.ts';
import type { C2c, Fabric, GpuPair } from '../readings/links.ts';
import type { DriverState } from '../readings.ts';
import {
  FABRIC_CONFIGURATIONS,
  FABRIC_STATES,
  FABRIC_SUMMARIES,
  NVLINK_BANDWIDTH_MODES,
  P2P_STATUSES,
  TOPOLOGY_LEVELS,
} from '../table/enums.ts';
import { missingFor, NVML_SUCCESS } from '../table/return-codes.ts';
import type { Handle } from '../table/shapes.ts';
import { type Asker, fieldOf } from './ask.ts';
import { andThen, isOlder, named } from './steps.ts';

/** What connects a GPU with its CPU and with the other GPUs, NVLink itself aside. */

/** Registration with the fabric, by the newest struct that the driver takes: v3, v2 or the first. */
export function readFabric(ask: Asker, gpu: Handle): Reading<Fabric> {
  const v3 = ask.call('deviceGetGpuFabricInfoV3', gpu);
  if (v3.ok || !isOlder(v3)) return andThen(v3, fabricOf);
  // The version is refused, not the call: where there is no such symbol there is no v2 either.
  const v2 = v3.reason === 'function_not_found' ? v3 : ask.call('deviceGetGpuFabricInfoV2', gpu);
  if (v2.ok || !isOlder(v2)) return andThen(v2, fabricOf);
  return andThen(ask.call('deviceGetGpuFabricInfo', gpu), fabricOf);
}

interface FabricInfo {
  readonly clusterUuid: string;
  readonly status: number;
  readonly cliqueId: number;
  readonly state: number;
  readonly healthMask?: number;
  readonly healthSummary?: number;
}

/**
 * Without a fabric the other members are zero, which would read as a clique and as a success. A state
 * or a health of tomorrow is not known to be good, nor to be bad.
 */
function fabricOf(info: FabricInfo): Reading<Fabric> {
  const state = FABRIC_STATES[info.state];
  if (state === undefined) return missing('unreadable', `state ${info.state}`);
  if (state === 'not_supported') return present({ state });
  const members = membersOf(info);
  if (Object.values(members.health ?? {}).includes('fault')) return present({ state, ...members });
  const { healthMask = 0, healthSummary = 0 } = info;
  if (FABRIC_SUMMARIES[healthSummary] === undefined) {
    return missing('unreadable', `health summary ${healthSummary}`);
  }
  return FLAGS.some(shift => ((healthMask >>> shift) & 0x3) === 0x3)
    ? missing('unreadable', `health mask 0x${healthMask.toString(16)}`)
    : present({ state, ...members });
}

/** Where the fields of two bits stand in the health mask. */
const FLAGS = [0, 2, 4, 6] as const;

const membersOf = (info: FabricInfo): Omit<Fabric, 'state'> => ({
  status: statusWord(info.status),
  cliqueId: info.cliqueId,
  ...(/[^0]/.test(info.clusterUuid) ? { clusterUuid: uuidOf(info.clusterUuid) } : {}),
  ...(info.healthMask === undefined ? {} : { health: healthOf(info.healthMask) }),
  ...(info.healthSummary === undefined
    ? {}
    : { summary: FABRIC_SUMMARIES[info.healthSummary] ?? 'unknown' }),
});

/** Each field of the mask has a value for "not supported", so that 0 is no health. */
export const healthOf = (mask: number): NonNullable<Fabric['health']> => ({
  mask,
  degradedBandwidth: twoBits(mask, 0),
  routeRecovery: twoBits(mask, 2),
  routeUnhealthy: twoBits(mask, 4),
  accessTimeoutRecovery: twoBits(mask, 6),
  incorrectConfiguration:
    FABRIC_CONFIGURATIONS[(mask >>> 8) & 0xf] ?? `unknown_${(mask >>> 8) & 0xf}`,
});

/** NVML_GPU_FABRIC_HEALTH_MASK_*: 0 not supported, 1 TRUE (a fault), 2 FALSE (none). */
function twoBits(mask: number, shift: number): 'not_supported' | 'fault' | 'healthy' {
  const bits = (mask >>> shift) & 0x3;
  if (bits === 0) return 'not_supported';
  return bits === 1 ? 'fault' : 'healthy';
}

function statusWord(code: number): string {
  if (code === NVML_SUCCESS) return 'success';
  const reading = missingFor(code);
  return reading.ok ? 'success' : reading.reason;
}

const uuidOf = (hex: string): string =>
  [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join(
    '-',
  );

/** The chip-to-chip links; their fields are asked for only where there are such links. */
export function readC2c(ask: Asker, gpu: Handle): Reading<C2c> {
  const counts = [{ field: 'c2cCount', scope: 0 }] as const;
  const count = fieldOf(ask.call('deviceGetFieldValues', gpu, counts), counts, counts[0]);
  if (!count.ok) return count;
  const links = Math.min(count.value, C2C_LINKS_MAX);
  if (links === 0) return missing('not_supported');
  const scopes = Array.from({ length: links }, (_, scope) => scope);
  const asks = scopes.flatMap(scope => C2C_FIELDS.map(field => ({ field, scope })));
  const answers = ask.call('deviceGetFieldValues', gpu, asks);
  if (!answers.ok) return answers;
  const of = (field: (typeof C2C_FIELDS)[number]) =>
    scopes.map(scope => fieldOf(answers, asks, { field, scope }));
  return present({
    links,
    activeLinks: active(of('c2cStatus')),
    maxBandwidthMbps: outermost(of('c2cBandwidth').filter(isOfUpLink), Math.min),
    crcErrors: outermost(of('c2cErrors'), Math.max),
    replayErrors: outermost(of('c2cReplays'), Math.max),
  });
}

const C2C_FIELDS = ['c2cStatus', 'c2cBandwidth', 'c2cErrors', 'c2cReplays'] as const;

/** More than any GPU has. */
const C2C_LINKS_MAX = 32;

/** A link that is down has the bandwidth 0. */
const isOfUpLink = (bandwidth: Reading<number>): boolean => !bandwidth.ok || bandwidth.value > 0;

/**
 * Of all links that answer the slowest, or the one with most errors: a driver that counts for the GPU as a
 * whole gives every link the same number. One that fails for another reason than that it has no such
 * field makes the reading unknown.
 */
function outermost(
  readings: readonly Reading<number>[],
  choose: (...values: number[]) => number,
): Reading<number> {
  const failed = readings.find(reading => !reading.ok && reading.reason !== 'not_supported');
  if (failed) return failed;
  const values = readings.flatMap(reading => (reading.ok ? [reading.value] : []));
  return values.length === 0 ? missing('not_supported') : present(choose(...values));
}

/** How many links are up; one that says nothing makes the number unknown. */
function active(status: readonly Reading<number>[]): Reading<number> {
  const silent = status.find(reading => !reading.ok);
  if (silent && !silent.ok) return silent;
  return present(status.filter(reading => reading.ok && reading.value === 1).length);
}

/** How much of the bandwidth of its NVLinks the node may use: the mode is in the lowest three bits. */
export const readBandwidthMode = (ask: Asker): Reading<string> =>
  named(
    mapReading(ask.call('systemGetNvlinkBwMode'), word => word & 0x7),
    NVLINK_BANDWIDTH_MODES,
  );

/** A GPU's index with its handle, or why it has none. */
export interface GpuHandle {
  readonly index: number;
  readonly handle: Reading<Handle>;
}

/** What lies between every two GPUs: two calls a pair. */
export function readTopology(ask: Asker, gpus: readonly GpuHandle[]): DriverState['topology'] {
  if (gpus.length > GPUS_MAX) return missing('not_read', `${gpus.length} GPUs have too many pairs`);
  const inOrder = gpus.toSorted((a, b) => a.index - b.index);
  return present(
    inOrder.flatMap((first, place) =>
      inOrder.slice(place + 1).map(second => pairOf(ask, first, second)),
    ),
  );
}

/** More than any machine has; every two of them cost two calls. */
const GPUS_MAX = 32;

function pairOf(ask: Asker, first: GpuHandle, second: GpuHandle): GpuPair {
  const both = (read: (a: Handle, b: Handle) => Reading<number>): Reading<number> => {
    if (!first.handle.ok) return first.handle;
    if (!second.handle.ok) return second.handle;
    return read(first.handle.value, second.handle.value);
  };
  return {
    gpus: [first.index, second.index],
    path: mapReading(
      both((a, b) => ask.call('deviceGetTopologyCommonAncestor', a, b)),
      levelOf,
    ),
    p2pRead: named(
      both((a, b) => ask.call('deviceGetP2PStatus', a, b, 'read')),
      P2P_STATUSES,
    ),
  };
}

type Path = (typeof TOPOLOGY_LEVELS)[keyof typeof TOPOLOGY_LEVELS] | 'unknown';

function levelOf(level: number): Path {
  const levels: Readonly<Record<number, Path>> = TOPOLOGY_LEVELS;
  return levels[level] ?? 'unknown';
}

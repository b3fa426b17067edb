import { known, type Reading } from '../../contract/reading.ts';
import type { GpuState } from '../../nvml/port.ts';
import type { NodeFacts } from '../facts.ts';
import { isUnread } from './readings.ts';
import { THRESHOLDS } from './thresholds.ts';

/** The fewest GPUs of one model of which most can agree; of two that differ one may be the worse. */
const GROUP_MIN = 3;

/** A GPU whose reading differs from what most others of its model have. */
export interface Outlier<T> {
  readonly gpu: GpuState;
  readonly value: T;
  readonly usual: T;
  /** How many GPUs of the model have the usual value. */
  readonly agreeing: number;
  /** How many GPUs of the model gave the reading at all. */
  readonly of: number;
}

/**
 * GPUs that differ from a clear majority of the same model on this node. Eight neighbours are the
 * best baseline there is; where there is no majority, nobody is accused. Of two the worse is told.
 */
export function outliers<T extends string | number | boolean>(
  facts: NodeFacts,
  reading: (gpu: GpuState) => Reading<T>,
  isWorse: (value: T, other: T) => boolean = () => false,
): readonly Outlier<T>[] {
  const models = Map.groupBy(facts.driver.gpus, gpu => known(gpu.name));
  const nameless = models.get(undefined)?.length ?? 0;
  return [...models].flatMap(([name, gpus]) => {
    if (name === undefined) return [];
    const values = gpus.flatMap(gpu => {
      const value = known(reading(gpu));
      return value === undefined ? [] : [{ gpu, value }];
    });
    const counts = [...Map.groupBy(values, ({ value }) => value)].map(
      ([value, same]) => [value, same.length] as const,
    );
    const most = counts.toSorted(([, a], [, b]) => b - a)[0];
    // A neighbour that could not be read may not agree; one without a name may be of this model.
    const unread = gpus.filter(gpu => isUnread(reading(gpu))).length;
    const candidates = values.length + unread + nameless;
    const [one, other] = values;
    if (one && other && candidates === 2) {
      const told = ({ gpu, value }: typeof one, usual: T) =>
        isWorse(value, usual) ? [{ gpu, value, usual, agreeing: 1, of: 2 }] : [];
      return [...told(one, other.value), ...told(other, one.value)];
    }
    if (!most || values.length < GROUP_MIN || most[1] * 3 < candidates * 2) return [];
    const [usual, agreeing] = most;
    return values
      .filter(({ value }) => value !== usual)
      .map(({ gpu, value }) => ({ gpu, value, usual, agreeing, of: values.length }));
  });
}

/** The middle of a list; undefined for an empty one. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  const lower = sorted[Math.ceil(middle) - 1];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}

/**
 * True where a value lies far above the others by the median absolute deviation, which one wild
 * value does not move. Iglewicz and Hoaglin: a modified z-score above 3.5; `leastSpread` keeps a
 * group of equal values from calling the smallest difference an outlier.
 */
export function isFarAbove(value: number, others: readonly number[], leastSpread: number): boolean {
  const middle = median(others);
  if (middle === undefined) return false;
  const spread = median(others.map(other => Math.abs(other - middle))) ?? 0;
  return (0.6745 * (value - middle)) / Math.max(spread, leastSpread) > 3.5;
}

/** True where a counter has come to the floor and stands far above the others'. */
export const countsFarAbove = (count: number, others: readonly number[], floor: number): boolean =>
  count >= floor && isFarAbove(count, others, floor / 10);

/** True where programs compute on the GPU now: an idle GPU takes clocks and link speed down. */
export const isBusy = (gpu: GpuState): boolean =>
  (known(gpu.gpuUtilizationPercent) ?? 0) >= THRESHOLDS.busyPercent.value &&
  !(known(gpu.clocksEventReasons) ?? []).includes('gpu_idle');

/** True where clocks and links are as high as they get: a light load needs no high clock. */
export const isFullyLoaded = (gpu: GpuState): boolean =>
  isBusy(gpu) && (known(gpu.gpuUtilizationPercent) ?? 0) >= THRESHOLDS.fullLoadPercent.value;

/** The other GPUs of the same model. */
export const likeIt = ({ driver }: NodeFacts, gpu: GpuState): readonly GpuState[] =>
  driver.gpus.filter(other => other !== gpu && known(other.name) === known(gpu.name));

/** Those of them that draw about as much power, and so have about as much heat to get rid of. */
export const workingLikeIt = (facts: NodeFacts, gpu: GpuState): readonly GpuState[] => {
  const least = (known(gpu.powerUsageMw) ?? Infinity) * THRESHOLDS.samePowerShare.value;
  return likeIt(facts, gpu).filter(other => (known(other.powerUsageMw) ?? 0) >= least);
};

/** True where neighbours that work as much are cool: the heat is its own and not the room's. */
export const isHotAlone = (facts: NodeFacts, gpu: GpuState): boolean => {
  const others = workingLikeIt(facts, gpu);
  return (['temperatureC', 'memoryTemperatureC'] as const).some(thermometer => {
    const usual = median(others.flatMap(other => known(other[thermometer]) ?? []));
    return (known(gpu[thermometer]) ?? 0) - (usual ?? Infinity) >= THRESHOLDS.hotAloneC.value;
  });
};

/** True where the GPU says that it does nothing; a missing utilization says nothing. */
export const isIdle = (gpu: GpuState): boolean =>
  (known(gpu.gpuUtilizationPercent) ?? Infinity) < THRESHOLDS.busyPercent.value;

/** Cards in slots, by what NVML calls them: such have bridges, or no NVLink at all. */
export const IS_CARD = /PCIe|NVL$/i;

/**
 * True for modules on a baseboard, whose NVLinks are all wired; NVIDIA names them in many ways. A GH200
 * often stands alone.
 */
export function isOnBaseboard(gpu: GpuState): boolean {
  const name = known(gpu.name) ?? '';
  return !/PCIe|NVL$|GH200/i.test(name) && /SXM|HBM3|\b(?:H20|H200|H800|B200|B300)$/i.test(name);
}

/** True on bare metal for the only GPU of its model: it can be compared with nothing but its slot. */
export const isLone = ({ driver }: NodeFacts, gpu: GpuState): boolean =>
  known(gpu.virtualizationMode) === 'none' &&
  driver.gpus.every(other => other === gpu || known(other.name) !== known(gpu.name));

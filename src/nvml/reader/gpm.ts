import { missing, present, type Reading } from '../../contract/reading.ts';
import { GPM, type Gpm } from '../readings/activity.ts';
import { mapEach } from '../readings/row.ts';
import type { NvmlLibrary } from '../table/calls.ts';
import { GPM_METRIC_NAMES, type GpmMetric } from '../table/field-ids.ts';
import type { Handle, HandleOf } from '../table/shapes.ts';
import type { Asker } from './ask.ts';

type Sample = HandleOf<'gpmSample'>;

/** The two samples of one GPU, and which of them was taken last. */
interface Pair {
  readonly samples: readonly [Sample, Sample];
  latest: 0 | 1 | undefined;
}

/**
 * GPM, GPU performance monitoring: each reading takes a sample, and measures what happened since the
 * one before. Samples are this process's own memory and are kept until it ends.
 */
export class GpmSamples {
  readonly #pairs = new Map<number, Pair>();

  read(ask: Asker, gpu: Handle, index: number): Gpm {
    const pair = this.#pairOf(ask, gpu, index);
    if (!pair.ok) return gpmOf(() => pair);
    const { samples, latest } = pair.value;
    const next = latest === 0 ? 1 : 0;
    // A sample that failed is none, and what it was taken over is no longer the latest.
    pair.value.latest = undefined;
    const taken = ask.call('gpmSampleGet', gpu, samples[next]);
    if (!taken.ok) return gpmOf(() => taken);
    pair.value.latest = next;
    if (latest === undefined) return gpmOf(() => missing('not_ready', 'the first of two samples'));
    const metrics = ask.call('gpmMetricsGet', samples[latest], samples[next], GPM_METRIC_NAMES);
    if (!metrics.ok) return gpmOf(() => metrics);
    return gpmOf(metric => metrics.value[GPM_METRIC_NAMES.indexOf(metric)] ?? missing('not_read'));
  }

  free(library: NvmlLibrary): void {
    for (const { samples } of this.#pairs.values()) {
      for (const sample of samples) library.call('gpmSampleFree', sample);
    }
    this.#pairs.clear();
  }

  #pairOf(ask: Asker, gpu: Handle, index: number): Reading<Pair> {
    const kept = this.#pairs.get(index);
    if (kept) return present(kept);
    const support = ask.call('gpmQueryDeviceSupport', gpu);
    if (!support.ok) return support;
    if (support.value.isSupportedDevice === 0) return missing('not_supported');
    const first = ask.call('gpmSampleAlloc');
    if (!first.ok) return first;
    const second = ask.call('gpmSampleAlloc');
    if (!second.ok) {
      ask.call('gpmSampleFree', first.value);
      return second;
    }
    const pair: Pair = { samples: [first.value, second.value], latest: undefined };
    this.#pairs.set(index, pair);
    return present(pair);
  }
}

const gpmOf = (read: (metric: GpmMetric) => Reading<number>): Gpm =>
  mapEach(GPM.gpm.members, (_row, metric) => read(metric));

import { mapReading, missing, present, type Reading } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { ReadRequest } from '../messages.ts';
import { GPM, type Gpm } from '../readings/activity.ts';
import { mapEach } from '../readings/row.ts';
import {
  DRIVER_FIELDS,
  type DriverField,
  fieldsAt,
  type GpuField,
  isFirst,
  unread,
} from '../readings.ts';
import type { NvmlLibrary, OpenedLibrary } from '../table/calls.ts';
import { GPM_METRIC_NAMES, type GpmMetric } from '../table/field-ids.ts';
import type { Handle, HandleOf } from '../table/shapes.ts';
import { type Asker, askerOf, LastingAnswers, type Send } from './ask.ts';
import { readErrorRecords } from './error-records.ts';
import { readGpuField } from './gpu.ts';
import { type GpuHandle, readBandwidthMode, readTopology } from './interconnect.ts';
import { readNvLinks } from './nvlink.ts';

/** What lives as long as the child: the library once opened, and whether nvmlInit_v2 succeeded. */
export interface NvmlSession {
  read(request: ReadRequest, send: Send): Promise<void>;
  /** nvmlShutdown, where there was an nvmlInit. */
  shutdown(): void;
}

/**
 * Reads everything that a request asks for, one call after the other, and sends each reading at
 * once. A call that fails costs its own reading and no other.
 */
export function nvmlSession(open: () => Promise<OpenedLibrary>): NvmlSession {
  let opened: OpenedLibrary | undefined;
  let initialized: Reading<true> = missing('not_read');
  const samples = new GpmSamples();
  const lasting = new LastingAnswers();

  return {
    async read(request, send) {
      if (!opened?.library) {
        send({ kind: 'call', call: 'dlopen', opens: true });
        opened = await open();
      }
      const { path, library } = opened;
      const driver = driverSender(request, send);
      driver('library', () => path);
      if (!library) {
        for (const field of DRIVER_FIELDS) driver(field, () => missing('library_not_found'));
      } else {
        if (!initialized.ok)
          initialized = askerOf({ library, send, skip: request.skip, lasting }).call('init');
        lasting.begin(request.takenAtMs, request.inforomAnew === true);
        const kept = request.depth === 'all' ? lasting.kept() : [];
        if (kept.length > 0) send({ kind: 'kept', id: request.id, kept });
        readDriver({ library, initialized, samples, lasting }, request, send);
      }
      send({ kind: 'done', id: request.id });
    },
    shutdown() {
      if (initialized.ok && opened?.library) {
        samples.free(opened.library);
        opened.library.call('shutdown');
      }
      initialized = missing('not_read');
    },
  };
}

/** What is open while the child lives. */
interface OpenDriver {
  readonly library: NvmlLibrary;
  readonly initialized: Reading<true>;
  readonly samples: GpmSamples;
  readonly lasting: LastingAnswers;
}

function readDriver(
  { library, initialized, samples, lasting }: OpenDriver,
  request: ReadRequest,
  send: Send,
): void {
  const asker = askerOf({ library, send, skip: request.skip, lasting });
  const driver = driverSender(request, send);
  // These three answer without nvmlInit too, in part: nvidia-smi shows the library's own version
  // beside "Driver/library version mismatch".
  const withoutInit = <T>(reading: Reading<T>): Reading<T> =>
    !reading.ok && reading.reason === 'uninitialized' && !initialized.ok ? initialized : reading;
  driver('initialized', () => initialized);
  driver('driverVersion', () => withoutInit(plain(asker.call('systemGetDriverVersion'))));
  driver('nvmlVersion', () => withoutInit(plain(asker.call('systemGetNVMLVersion'))));
  driver('cudaDriverVersion', () => withoutInit(asker.call('systemGetCudaDriverVersion')));
  const count = initialized.ok ? asker.call('deviceGetCount') : initialized;
  driver('count', () => count);
  if (!count.ok) {
    driver('nvlinkBandwidthMode', () => count);
    driver('errorRecords', () => count);
    driver('topology', () => count);
    return;
  }
  const indexes = Array.from({ length: count.value }, (_, index) => index);
  const late = (index: number) => request.last.includes(index);
  const opened: GpuHandle[] = [];
  for (const group of [indexes.filter(index => !late(index)), indexes.filter(late)]) {
    const gpus = group.map(index => openGpu({ library, samples, lasting }, index, request, send));
    // Where time runs out, every GPU has the first part before any has the second.
    const { gpu: wanted } = fieldsAt(request.depth, request.also);
    const parts =
      request.depth === 'counters'
        ? [wanted]
        : [wanted.filter(isFirst), wanted.filter(field => !isFirst(field))];
    for (const part of parts) for (const gpu of gpus) gpu.read(part);
    opened.push(...gpus.map(({ index, handle }) => ({ index, handle: handle() })));
  }
  driver('nvlinkBandwidthMode', () => readBandwidthMode(asker));
  const askGpu = (gpu: number) => askerOf({ library, send, skip: request.skip, lasting, gpu });
  driver('errorRecords', () => readErrorRecords(asker, opened, askGpu));
  driver('topology', () => readTopology(asker, opened));
}

/** One GPU, opened when the first of its fields is read; without a handle each has its reason. */
function openGpu(
  { library, samples, lasting }: Omit<OpenDriver, 'initialized'>,
  index: number,
  request: ReadRequest,
  send: Send,
) {
  const had = new Set(request.had.gpus[index]);
  const asker = askerOf({ library, send, skip: request.skip, lasting, gpu: index });
  let handle: Reading<Handle> | undefined;
  const open = (): Reading<Handle> => {
    handle ??= asker.call('deviceGetHandleByIndex', index);
    return handle;
  };
  const readingOf = (field: GpuField): unknown => {
    const gpu = open();
    if (field === 'handle') return mapReading(gpu, () => true);
    if (!gpu.ok) return unread(field, gpu);
    if (field === 'gpm') return samples.read(asker, gpu.value, index);
    // Where a link ends does not change from one look to the next.
    if (field === 'nvlinks' && request.depth === 'counters') {
      return readNvLinks(asker, gpu.value, { ends: false });
    }
    return readGpuField(field, asker, gpu.value);
  };
  return {
    index,
    read(fields: readonly GpuField[]) {
      for (const field of fields) {
        if (had.has(field)) continue;
        send({ kind: 'gpu', id: request.id, gpu: index, field, reading: readingOf(field) });
      }
    },
    /** Read by a child before this one, which hung or died, it is not worth opening again. */
    handle: (): Reading<Handle> => handle ?? missing('not_read'),
  };
}

/** Tells a driver-wide reading of this depth unless the parent has it; reads it only then. */
function driverSender(request: ReadRequest, send: Send) {
  const had = new Set(request.had.driver);
  const wanted = fieldsAt(request.depth).driver;
  return (field: DriverField, read: () => unknown): void => {
    if (had.has(field) || !wanted.includes(field)) return;
    had.add(field);
    send({ kind: 'driver', id: request.id, field, reading: read() });
  };
}

const plain = (reading: Reading<string>): Reading<string> =>
  mapReading(reading, value => plainText(value, 96));

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
class GpmSamples {
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

import type { Coverage } from '../contract/coverage.ts';
import { UsageError } from '../contract/errors.ts';
import { missing } from '../contract/reading.ts';
import { isoTime } from '../contract/time.ts';
import type { Host, ProcessOwner } from '../host/port.ts';
import { processOwner } from '../host/readings/processes.ts';
import type { KernelLog, PodHistory } from '../kernel-log/port.ts';
import { inWindow, type SourceKind } from '../kernel-log/source.ts';
import type { DriverState, Nvml } from '../nvml/port.ts';
import type { Instruments } from '../tools/instruments.ts';
import { readBundle } from './bundle-file.ts';
import { kept } from './bundle-readings.ts';
import { type Bundle, type KeptLog, nodeOf } from './document.ts';
import { readAs } from './driver-schema.ts';

/** The node of a bundle as instruments: every tool runs on it unchanged, and now is then. */
export function replayInstruments(bundle: Bundle): Instruments {
  const { drivers, again, kernelLog, capturedAtMs, node, simulated } = bundle;
  return {
    nvml: replayNvml(drivers),
    host: replayHost(bundle),
    kernelLog: replayKernelLog(kernelLog),
    podHistory: replayPodHistory(bundle.podHistory),
    progress: () => {},
    clock: { nowMs: () => capturedAtMs },
    async pause() {
      throw new UsageError(
        'this is a replay, in which no time passes: only a live node can be read again',
        'ask the node itself',
      );
    },
    ...{ node, simulated },
    replay: { node: nodeOf(bundle), capturedAt: isoTime(capturedAtMs), drivers, again },
  };
}

function replayNvml(drivers: Bundle['drivers']): Nvml {
  const [first] = drivers;
  return {
    async read(signal, depth = 'all', also = []): Promise<DriverState> {
      signal.throwIfAborted();
      if (!first) throw new UsageError('the bundle holds no reading of the driver');
      return readAs(first, depth, also);
    },
    warm() {},
    close: async () => true,
  };
}

function replayHost({ host: state, owners, containerLogs }: Bundle): Host {
  const byPid = new Map(owners.map(owner => [owner.pid, owner]));
  return {
    async read(signal) {
      signal.throwIfAborted();
      return state;
    },
    // What was read of them twice is in the bundle by itself.
    counters: async () => ({ ports: [], aer: [] }),
    containers: async () => missing('not_read', 'a bundle holds views of pods on GPUs alone'),
    containerLogs: async () => containerLogs,
    processOwners: async pids => pids.map(pid => byPid.get(pid) ?? unknownOwner(pid)),
  };
}

const owner = kept(processOwner);
const unknownOwner = (pid: number): ProcessOwner => owner.parse({ pid });

/** What was searched then, within what is asked for now. */
function replayKernelLog({ records, coverage }: KeptLog): KernelLog {
  return {
    async scan(window, visit, signal) {
      signal.throwIfAborted();
      const { sinceMs, sources } = window;
      const isWanted = (source: string) => sources?.includes(kindOf(source)) ?? true;
      for (const record of records) {
        if (isWanted(record.source) && inWindow(record, window)) visit(record);
      }
      return coverage
        .filter(({ source }) => isWanted(source))
        .map(one => (sinceMs === undefined ? one : within(one, sinceMs)));
    },
  };
}

/** Lives of all spans that were read; who asks looks for those of a moment. */
function replayPodHistory({ lives, coverage }: Bundle['podHistory']): PodHistory {
  return {
    async read(spans, signal) {
      signal.throwIfAborted();
      const sinceMs = Math.min(...spans.map(span => span.sinceMs));
      return { lives, coverage: coverage.map(one => within(one, sinceMs)) };
    },
  };
}

const within = (coverage: Coverage, sinceMs: number): Coverage =>
  coverage.from === undefined || Date.parse(coverage.from) >= sinceMs
    ? coverage
    : { ...coverage, from: isoTime(sinceMs) };

/** The kind of a source by the name that its Coverage has. */
function kindOf(source: string): SourceKind {
  if (source === '/dev/kmsg') return 'kmsg';
  if (source === 'syslog(2)') return 'syslog';
  if (source.includes('/log/journal')) return 'journal';
  if (source.includes('pstore')) return 'pstore';
  if (source.includes('fabricmanager')) return 'fabric-manager';
  return source.includes('nvidia-imex') ? 'imex' : 'text';
}

/** The instruments of a bundle in a file; the code for it is loaded with this. @throws UsageError */
export const openReplay = async (path: string): Promise<Instruments> =>
  replayInstruments(await readBundle(path));

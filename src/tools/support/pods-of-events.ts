import { known } from '../../contract/reading.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import type { Span } from '../../kernel-log/port.ts';
import type { KernelEvent } from '../../xid/events.ts';
import type { Instruments } from '../instruments.ts';

const PIDS_MAX = 1024;
/** A pod ends some minutes after the fault at the latest. */
const AROUND_MS = 10 * 60_000;
/** How far before an event the start of its container is looked for. */
const BEFORE_MS = 24 * 3_600_000;

type History = NonNullable<NodeFacts['history']>;

/**
 * Who ran on the node when its events happened. Only what an event asks for is searched: without an
 * XID, and without `asked`, nothing is read and there is no history.
 */
export async function podHistoryOf(
  events: readonly KernelEvent[],
  instruments: Pick<Instruments, 'host' | 'podHistory'>,
  signal: AbortSignal,
  asked?: Span,
): Promise<History | undefined> {
  const own = events.filter(({ xid, pid, pci }) => xid !== null && (pid !== null || pci !== null));
  const pids = [...new Set(own.flatMap(({ pid }) => pid ?? []))].slice(0, PIDS_MAX);
  const times = own.flatMap(({ time }) => (time === null ? [] : [Date.parse(time)]));
  const spans = [...spansOf(times), ...(asked ? [asked] : [])];
  if (own.length === 0 && spans.length === 0) return undefined;
  const [owners, logged, files] = await Promise.all([
    pids.length === 0 ? [] : instruments.host.processOwners(pids, signal),
    spans.length === 0 ? NOTHING : instruments.podHistory.read(spans, signal),
    instruments.host.containerLogs(signal),
  ]);
  const written = known(files) ?? [];
  const coverage = [
    ...logged.coverage,
    {
      source: '/var/log/pods (dates of files)',
      available: files.ok,
      ...(files.ok ? {} : { unavailable: files.reason }),
      records: written.length,
      ...{ lost: 0, untrusted: 0, malformed: 0, notes: [] },
    },
  ];
  return { lives: [...logged.lives, ...written], owners, coverage };
}

/** The same facts with who ran when, for a tool that reads no more of the node than it needs. */
export async function withPodHistory<Facts extends NodeFacts>(
  facts: Facts,
  instruments: Pick<Instruments, 'host' | 'podHistory'>,
  signal: AbortSignal,
): Promise<Facts> {
  const history = await podHistoryOf(facts.log?.events ?? [], instruments, signal);
  if (!history) return facts;
  return { ...facts, history, host: await instruments.host.read(signal, 'all') };
}

const NOTHING = { lives: [], coverage: [] } as const;

/** First what lies around the events, the newest first; then the time before, for the starts. */
export function spansOf(timesMs: readonly number[]): readonly Span[] {
  const around: Span[] = [];
  for (const atMs of timesMs.toSorted((a, b) => b - a)) {
    const last = around.at(-1);
    const span = { sinceMs: atMs - AROUND_MS, untilMs: atMs + AROUND_MS };
    if (last && span.untilMs >= last.sinceMs) {
      around[around.length - 1] = { sinceMs: span.sinceMs, untilMs: last.untilMs };
    } else around.push(span);
  }
  const before = around.map(({ sinceMs }, index) => ({
    sinceMs: Math.max(sinceMs - BEFORE_MS, around[index + 1]?.untilMs ?? Number.NEGATIVE_INFINITY),
    untilMs: sinceMs,
  }));
  return [...around, ...before];
}

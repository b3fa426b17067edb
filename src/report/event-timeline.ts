import type { Severity } from '../contract/finding.ts';
import type { TimelineFacts } from '../tools/catalog/get-gpu-timeline.ts';
import type { TriageFacts } from '../tools/support/triage-facts.ts';
import { clipped, element, type Markup } from './markup.ts';
import { stepTime } from './person-words.ts';

type Origin = 'boot' | 'driver' | 'kernel' | 'pod' | 'cluster';

export interface Event {
  readonly time: string;
  readonly lane: string;
  readonly origin: Origin;
  readonly severity: Severity;
  /** `XID 79`. */
  readonly code?: string | undefined;
  readonly text: string;
}

/** What happened to a node, and when. */
export interface Timeline {
  /** The node's own first, then one for each GPU. */
  readonly lanes: readonly string[];
  /** Oldest first. */
  readonly events: readonly Event[];
  /** Those whose moment no clock tells. */
  readonly timeless: number;
  /** Older ones that were not sent. */
  readonly leftOut: number;
  readonly now: string;
}

const NODE = 'Node';

/** Lines of the log that only name a board. */
const NAMING = ['gpu_uuid', 'board_serial'];
/** Lines of the log that are not the driver's. */
const OF_THE_KERNEL =
  /^(?:aer|apei|edac|mce|iommu|oom|segfault|hung|pcie|pci|nouveau|module|thermal|blocked)/;

/** The kernel's, the driver's, the pods' and the cluster's events in one order. */
export function timelineOf(
  { gpus, cluster, takenAt }: Pick<TriageFacts, 'gpus' | 'cluster' | 'takenAt'>,
  { entries, entriesTotal }: Pick<TimelineFacts, 'entries' | 'entriesTotal'>,
): Timeline {
  const lanes = [NODE, ...gpus.map(laneOf)];
  const shown = entries.filter(({ kind }) => !NAMING.includes(kind));
  const events = shown.flatMap(({ time, gpuIndex, pci, kind, severity, code, text }) => {
    if (time === null) return [];
    const row = gpus.find(({ index, pci: at }) =>
      gpuIndex === undefined ? pci !== null && at === pci : index === gpuIndex,
    );
    return [{ time, lane: row ? laneOf(row) : NODE, origin: originOf(kind), severity, code, text }];
  });
  const ofCluster = (cluster.events ?? []).flatMap(({ type, reason, message, lastAt, firstAt }) => {
    const time = firstAt ?? lastAt;
    const severity = type === 'Warning' ? ('warning' as const) : ('info' as const);
    const text = `${reason}: ${message}`;
    return time === undefined
      ? []
      : [{ time, lane: NODE, origin: 'cluster' as const, severity, text }];
  });
  return {
    lanes,
    events: [...events, ...ofCluster].toSorted((a, b) => a.time.localeCompare(b.time)),
    timeless: shown.filter(({ time }) => time === null).length,
    leftOut: entriesTotal - entries.length,
    now: takenAt,
  };
}

const laneOf = ({ index, pci }: TriageFacts['gpus'][number]): string =>
  index === undefined ? (pci ?? 'GPU') : `GPU ${index}`;

function originOf(kind: string): Origin {
  if (kind === 'boot') return 'boot';
  if (kind.startsWith('pod_')) return 'pod';
  return OF_THE_KERNEL.test(kind) ? 'kernel' : 'driver';
}

const ROWS_MAX = 60;
const TEXT_CHARACTERS_MAX = 240;

/** The same in words, oldest first; of many the newest. */
export function timelineTable({ events, now }: Timeline): Markup {
  const shown = events.slice(-ROWS_MAX);
  const left = events.length - shown.length;
  return element(
    'table',
    { class: 'events' },
    element('thead', {}, element('tr', {}, ['Time (UTC)', 'Where', 'What'].map(heading))),
    element(
      'tbody',
      {},
      left === 0
        ? undefined
        : element('tr', {}, element('td', { colspan: 3 }, `${left} earlier ones are left out.`)),
      shown.map(({ time, lane, origin, severity, code, text }) =>
        element(
          'tr',
          {},
          element('td', { class: 'time' }, stepTime(time, now)),
          element('td', {}, lane, ' ', element('small', {}, origin)),
          element(
            'td',
            {},
            severity === 'info'
              ? undefined
              : [element('b', { class: severity }, severity.toUpperCase()), ' '],
            code === undefined || text.includes(code) ? undefined : [element('b', {}, code), ' '],
            clipped(text, TEXT_CHARACTERS_MAX),
          ),
        ),
      ),
    ),
  );
}

const heading = (words: string): Markup => element('th', { scope: 'col' }, words);

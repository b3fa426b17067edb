import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Coverage } from '../contract/coverage.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import { AnchorSet, KERNEL_ANCHORS } from './anchors.ts';
import { journalSource } from './journal.ts';
import type { LoadXz } from './journal-codecs.ts';
import { kmsgSource, type OpenKmsg } from './kmsg.ts';
import { Merger } from './merger.ts';
import type { KernelLog, KernelLogWindow } from './port.ts';
import { pstoreSources } from './pstore.ts';
import type { KernelClock, Source } from './source.ts';
import { type Klogctl, syslogCallSource } from './syslog-call.ts';
import { daemonLogSources, textFileSources } from './text-files.ts';

export interface NodeKernelLogOptions {
  /** Where the node's files lie for us: `/host` in the pod, `/` on the node itself. */
  readonly root: string;
  readonly clock: KernelClock;
  /** Default `/proc`. */
  readonly procRoot?: string;
  /** What a line must hold to be shown from a text log or a journal; default KERNEL_ANCHORS. */
  readonly anchors?: readonly string[];
  /** Default `/sys`. */
  readonly sysRoot?: string;
  /** Opens /dev/kmsg; a test gives a recorded stream. */
  readonly openKmsg?: () => OpenKmsg;
  /** Loads klogctl(3); a test gives a recorded answer. */
  readonly klogctl?: () => Promise<Klogctl>;
  /** Loads the package `xz-decompress`; absent: what xz compressed is said to be unreadable. */
  readonly loadXz?: LoadXz;
}

/**
 * The kernel log of the node we run on, from every source there is: the ring buffer first, because
 * it knows the exact order and time, then what the node keeps in files.
 */
export function createNodeKernelLog(options: NodeKernelLogOptions): KernelLog {
  const anchors = new AnchorSet(options.anchors ?? KERNEL_ANCHORS);
  const sources = nodeSources(options, anchors);
  return {
    scan: (window, visit, signal) => scanSources({ sources, anchors, window, visit, signal }),
  };
}

function nodeSources(options: NodeKernelLogOptions, anchors: AnchorSet): readonly Source[] {
  const { root, clock } = options;
  const nowMs = () => clock.nowMs();
  const boot = () => readBootId(options.procRoot ?? '/proc');
  const { loadXz } = options;
  const text = { root, anchors, nowMs, loadXz };
  const journals = ['/var/log/journal', '/run/log/journal'].map(shownPath =>
    journalSource({ shownPath, realPath: join(root, shownPath), anchors, loadXz }),
  );
  return [
    kmsgSource({ clock, boot, ...(options.openKmsg ? { open: options.openKmsg } : {}) }),
    syslogCallSource({ clock, boot, ...(options.klogctl ? { load: options.klogctl } : {}) }),
    ...journals,
    ...textFileSources(text),
    ...pstoreSources({ root, sysRoot: options.sysRoot ?? '/sys' }),
    ...daemonLogSources(text),
  ];
}

/** Reads the sources one after another and shows what several hold only once. */
export async function scanSources(request: {
  readonly sources: readonly Source[];
  readonly anchors: AnchorSet;
  readonly window: KernelLogWindow;
  readonly visit: (record: KernelRecord) => void;
  readonly signal: AbortSignal;
}): Promise<readonly Coverage[]> {
  const { sources, anchors, window, signal } = request;
  const merger = new Merger(request.visit, anchors);
  const coverages: Coverage[] = [];
  let ringIsOpen = false;
  for (const [number, source] of sources.entries()) {
    if (window.sources !== undefined && !window.sources.includes(source.kind)) continue;
    // syslog(2) shows the same ring with less: it is asked only where the device is closed to us.
    if (source.kind === 'syslog' && ringIsOpen) continue;
    if (signal.aborted) break;
    const visit = (record: KernelRecord) => merger.take(record, number);
    const covered = await source.scan({ window, visit, signal });
    if (source.kind === 'kmsg') ringIsOpen = covered.every(({ available }) => available);
    coverages.push(...covered);
  }
  return merger.full ? coverages.map(withRepeats) : coverages;
}

const withRepeats = (coverage: Coverage): Coverage => ({
  ...coverage,
  notes: [
    ...coverage.notes,
    'too many lines to remember: one that two sources hold may come twice',
  ],
});

/** 32 hex digits, or null where /proc does not tell. */
function readBootId(procRoot: string): string | null {
  try {
    const text = readFileSync(join(procRoot, 'sys/kernel/random/boot_id'), 'utf8');
    const digits = text.trim().replaceAll('-', '').toLowerCase();
    return /^[0-9a-f]{32}$/.test(digits) ? digits : null;
  } catch {
    return null;
  }
}

import type { KernelRecord } from '../contract/kernel-record.ts';
import { driftMs } from './kmsg.ts';

/** The fields of a journal entry that make a kernel record, as they stand there. */
export interface JournalFields {
  message?: Buffer;
  priority?: string;
  facility?: string;
  identifier?: string;
  transport?: string;
  /** printk's microseconds, as journald read them from /dev/kmsg. */
  sourceMonotonicUs?: string;
  /** CLOCK_MONOTONIC and the wall clock when journald received the entry, in microseconds. */
  monotonicUs?: string;
  realtimeUs?: string;
  /** 32 hex digits. */
  boot?: string;
}

/** The names of those fields in the journal; systemd.journal-fields(7). */
export const JOURNAL_FIELDS: Readonly<Record<string, keyof JournalFields>> = {
  MESSAGE: 'message',
  PRIORITY: 'priority',
  SYSLOG_FACILITY: 'facility',
  SYSLOG_IDENTIFIER: 'identifier',
  _TRANSPORT: 'transport',
  _SOURCE_MONOTONIC_TIMESTAMP: 'sourceMonotonicUs',
  __MONOTONIC_TIMESTAMP: 'monotonicUs',
  __REALTIME_TIMESTAMP: 'realtimeUs',
  _BOOT_ID: 'boot',
};

/** Sets one field by its journal name; other fields are not kept. */
export function setField(fields: JournalFields, name: string, value: Buffer): void {
  const key = Object.hasOwn(JOURNAL_FIELDS, name) ? JOURNAL_FIELDS[name] : undefined;
  if (key === undefined) return;
  if (key === 'message') fields.message = value;
  else fields[key] = value.toString('utf8');
}

/**
 * Whether the kernel itself speaks. `_TRANSPORT` is set by journald and cannot be forged, but it is
 * `kernel` also for what user space wrote into /dev/kmsg: that has a facility of at least 1.
 */
export function isKernelEntry(fields: JournalFields): boolean {
  // `journalctl -o json --output-fields=...` leaves out what would tell; journald never does.
  if (fields.transport === undefined && fields.identifier === undefined) return false;
  if ((fields.transport ?? 'kernel') !== 'kernel') return false;
  if (fields.facility === undefined) return (fields.identifier ?? 'kernel') === 'kernel';
  return fields.facility === '0';
}

/** The record of a kernel entry; undefined where it has no message. */
export function journalRecord(
  fields: JournalFields,
  at: { readonly source: string; readonly line: number },
): KernelRecord | undefined {
  if (fields.message === undefined) return undefined;
  const sourceUs = wholeNumber(fields.sourceMonotonicUs);
  const monotonicUs = wholeNumber(fields.monotonicUs);
  const realtimeUs = wholeNumber(fields.realtimeUs);
  // journald may read a record long after it was printed: at boot, by many seconds.
  const lateUs =
    sourceUs === null || monotonicUs === null ? 0 : Math.max(0, monotonicUs - sourceUs);
  const bootUs = sourceUs ?? monotonicUs;
  return {
    source: at.source,
    line: at.line,
    text: fields.message.toString('utf8'),
    level: /^[0-7]$/.test(fields.priority ?? '') ? Number(fields.priority) : null,
    boot: /^[0-9a-f]{32}$/.test(fields.boot ?? '') ? (fields.boot ?? null) : null,
    bootSeconds: bootUs === null ? null : bootUs / 1e6,
    timeMs: realtimeUs === null ? null : Math.round((realtimeUs - lateUs) / 1_000),
    timeUncertaintyMs: realtimeUs === null ? null : driftMs(lateUs / 1_000),
    ...(fields.transport === undefined ? { isUnproven: true as const } : {}),
  };
}

const wholeNumber = (text: string | undefined): number | null =>
  text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : null;

import { ERROR_RECORD_SECTIONS_MAX, ERROR_RECORDS_MAX } from '../../contract/limits.ts';
import { optional } from '../../contract/optional.ts';
import { mapReading, present, type Reading } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import {
  type ErrorRecord,
  type ErrorRecords,
  RECORD_FLAGS,
  RECORD_SEVERITIES,
} from '../readings/error-records.ts';
import { readText } from '../table/layout.ts';
import type { Asker } from './ask.ts';
import type { GpuHandle } from './interconnect.ts';

/**
 * One call where there are none. Else all are read, and those of each GPU by its UUID, which tells
 * whose a record is: the record itself has no field that says so in a form that is published.
 *
 * The GPU operational events of the same drivers are not asked for. Whoever registers for them hears new
 * ones alone (nvml.h), so that a triage would hear its own second or two; what they are about stands in
 * these records, which nvml.h has "from initialization" on, and in the kernel log; and to register is no getter.
 */
export function readErrorRecords(
  ask: Asker,
  gpus: readonly GpuHandle[],
  askGpu: (index: number) => Asker,
): Reading<ErrorRecords> {
  const all = ask.call('systemGetCPER', '');
  if (!all.ok) return all;
  if (all.value.hex === '') return present(decoded(all.value.hex, all.value.isWhole));
  const owners = new Map<string, number>();
  for (const { index, handle } of gpus) {
    const uuid = handle.ok ? askGpu(index).call('deviceGetUUID', handle.value) : handle;
    const own = uuid.ok ? ask.call('systemGetCPER', uuid.value) : uuid;
    if (!own.ok) continue;
    for (const { bytes } of cut(Buffer.from(own.value.hex, 'hex')).records) {
      owners.set(bytes.toString('latin1'), index);
    }
  }
  return mapReading(all, ({ hex, isWhole }) => decoded(hex, isWhole, owners));
}

/** UEFI 2.10, appendix N.2.1 and N.2.2, and what is behind both headers. */
const HEADER_BYTES = 128;
const DESCRIPTOR_BYTES = 72;
const SIGNATURE_END = 0xffff_ffff;
const HAS_TIME = 2;
const HAS_PART = 2;

function decoded(
  hex: string,
  isWhole: boolean,
  owners: ReadonlyMap<string, number> = new Map(),
): ErrorRecords {
  const { records, undecoded } = cut(Buffer.from(hex, 'hex'));
  const kept = records.slice(-ERROR_RECORDS_MAX);
  return {
    records: kept.map(({ bytes, sections }) => {
      const gpu = owners.get(bytes.toString('latin1'));
      return { ...optional({ gpu }), ...recordOf(bytes, sections) };
    }),
    undecoded,
    leftOut: records.length - kept.length,
    isWhole,
  };
}

interface Cut {
  readonly bytes: Buffer;
  readonly sections: number;
}

/** Records by the lengths that they tell: behind one that lies about it, nothing can be found. */
function cut(bytes: Buffer): { readonly records: readonly Cut[]; readonly undecoded: number } {
  const records: Cut[] = [];
  for (let at = 0; at < bytes.length; ) {
    const left = bytes.subarray(at);
    if (left.length < HEADER_BYTES || left.toString('latin1', 0, 4) !== 'CPER') {
      return { records, undecoded: 1 };
    }
    const sections = left.readUInt16LE(10);
    const length = left.readUInt32LE(20);
    const isRight =
      left.readUInt32LE(6) === SIGNATURE_END &&
      length >= HEADER_BYTES + sections * DESCRIPTOR_BYTES &&
      length <= left.length;
    if (!isRight) return { records, undecoded: 1 };
    records.push({ bytes: left.subarray(0, length), sections });
    at += length;
  }
  return { records, undecoded: 0 };
}

function recordOf(bytes: Buffer, sections: number): ErrorRecord {
  const atMs = (bytes.readUInt32LE(16) & HAS_TIME) === 0 ? undefined : timeOf(bytes.subarray(24));
  const flags = bytes.readUInt32LE(104);
  return {
    severity: severityOf(bytes.readUInt32LE(12)),
    ...optional({ atMs }),
    flags: RECORD_FLAGS.filter((_, bit) => (flags & (1 << bit)) !== 0),
    sections: Array.from({ length: Math.min(sections, ERROR_RECORD_SECTIONS_MAX) }, (_, place) =>
      sectionOf(bytes, HEADER_BYTES + place * DESCRIPTOR_BYTES),
    ),
  };
}

const severityOf = (word: number): ErrorRecord['severity'] => RECORD_SEVERITIES[word] ?? 'unknown';

/** Seconds, minutes, hours, a flag, day, month, year, century: each two decimal digits. */
function timeOf(bytes: Buffer): number | undefined {
  const [second, minute, hour, , day, month, year, century] = [...bytes.subarray(0, 8)].map(byte =>
    byte.toString(16).padStart(2, '0'),
  );
  const atMs = Date.parse(`${century}${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isFinite(atMs) ? atMs : undefined;
}

function sectionOf(record: Buffer, at: number): ErrorRecord['sections'][number] {
  const descriptor = record.subarray(at, at + DESCRIPTOR_BYTES);
  const from = descriptor.readUInt32LE(0);
  const body = record.subarray(from, from + descriptor.readUInt32LE(4));
  const guid = guidOf(descriptor.subarray(16, 32));
  const kind = KINDS[guid];
  const part = (descriptor.readUInt8(10) & HAS_PART) === 0 ? '' : words(descriptor.subarray(52));
  const what = kind !== undefined && body.length >= kind.bytes ? kind.what(body) : undefined;
  return {
    kind: kind?.name ?? guid,
    severity: severityOf(descriptor.readUInt32LE(48)),
    ...(part === '' ? {} : { part }),
    ...(what === undefined || what === '' ? {} : { what }),
  };
}

const words = (bytes: Buffer): string => plainText(readText(bytes), 64).trim();

/** The first three fields are little-endian numbers. */
function guidOf(bytes: Buffer): string {
  const hex = (part: Buffer) => part.toString('hex');
  const turned = (from: number, to: number) => hex(Buffer.from(bytes.subarray(from, to)).reverse());
  const [first, second, third] = [turned(0, 4), turned(4, 6), turned(6, 8)];
  return [first, second, third, hex(bytes.subarray(8, 10)), hex(bytes.subarray(10))].join('-');
}

interface Kind {
  readonly name: string;
  /** How long its body is at least. */
  readonly bytes: number;
  readonly what: (body: Buffer) => string | undefined;
}

/** UEFI 2.10, N.2.5, Memory Error Type. */
// biome-ignore format: a list
const MEMORY_ERRORS = [
  'unknown', 'no error', 'single-bit ECC', 'multi-bit ECC', 'single-symbol chipkill ECC',
  'multi-symbol chipkill ECC', 'master abort', 'target abort', 'parity error', 'watchdog timeout',
  'invalid address', 'mirror broken', 'memory sparing', 'scrub corrected error',
  'scrub uncorrected error', 'physical memory map-out event',
];
const MEMORY_TYPE_AT = 72;
const HAS_MEMORY_TYPE = 0x4000n;
const HAS_PCIE_DEVICE = 8n;

const pad = (value: number, digits: number) => value.toString(16).padStart(digits, '0');

/**
 * Sections by their GUID: UEFI 2.10, N.2.2, with bodies of N.2.5 and N.2.7; NVIDIA's by Linux'
 * drivers/acpi/apei/ghes-nvidia.c, which has one form for Grace and one for Vera and for GPUs.
 */
const KINDS: Readonly<Record<string, Kind>> = {
  'a5bc1114-6f64-4ede-b863-3e83ed7c83b1': {
    name: 'memory',
    bytes: MEMORY_TYPE_AT + 1,
    what: body =>
      (body.readBigUInt64LE(0) & HAS_MEMORY_TYPE) === 0n
        ? undefined
        : MEMORY_ERRORS[body.readUInt8(MEMORY_TYPE_AT)],
  },
  'd995e954-bbc1-430f-ad91-b44dcb3c6f35': {
    name: 'pcie',
    bytes: 36,
    what: body =>
      (body.readBigUInt64LE(0) & HAS_PCIE_DEVICE) === 0n
        ? undefined
        : `device ${pad(body.readUInt16LE(33), 4)}:${pad(body.readUInt8(35), 2)}:${pad(body.readUInt8(32), 2)}`,
  },
  '6d5244f2-2712-11ec-bea7-cb3fdb95c786': {
    name: 'nvidia',
    bytes: 20,
    what: body =>
      `${words(body.subarray(0, 16))} error ${body.readUInt16LE(16)} of instance ${body.readUInt16LE(18)}`,
  },
  '9068e568-6ca0-11f0-aeaf-159343591eac': {
    name: 'nvidia event',
    bytes: 32,
    what: body =>
      `${words(body.subarray(16, 32))} event ${body.readUInt16LE(4)}.${body.readUInt16LE(6)}`,
  },
};

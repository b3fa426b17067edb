import { decompressPayload, type LoadXz } from './journal-codecs.ts';
import type { JournalFile } from './journal-file.ts';
import { JOURNAL_FIELDS, type JournalFields } from './journal-record.ts';

/** A message is cut here; a compressed one may be up to 1 MiB before that. */
const VALUE_BYTES_MAX = 64 * 1024;
const COMPRESSED_BYTES_MAX = 1024 * 1024;
const NAME_BYTES_MAX = 40;
const CACHED_MAX = 16_384;
const CACHED_BYTES_MAX = 64;
const MESSAGE = Buffer.from('MESSAGE=');

interface Value {
  readonly field: keyof JournalFields;
  readonly value: Buffer | string;
}

/** Values that every entry has for itself: none is met again. */
const OWN_FIELDS: readonly (keyof JournalFields)[] = ['message', 'sourceMonotonicUs'];

/** Takes entries of one journal file apart. Values that many entries share are read once. */
export class JournalReader {
  /** Payloads that could not be decompressed, or that were cut. */
  malformed = 0;
  readonly #file: JournalFile;
  readonly #loadXz: LoadXz | undefined;
  readonly #shared = new Map<number, Value | null>();

  constructor(file: JournalFile, loadXz: LoadXz | undefined) {
    this.#file = file;
    this.#loadXz = loadXz;
  }

  /** The fields of the entry at an offset that a kernel record needs; undefined for no entry. */
  async fields(offset: number): Promise<JournalFields | undefined> {
    const entry = this.#file.entry(offset);
    if (!entry) return undefined;
    const fields: JournalFields = {
      boot: entry.boot,
      realtimeUs: String(entry.realtimeUs),
      monotonicUs: String(entry.monotonicUs),
    };
    for (const item of entry.items) {
      const known = this.#shared.get(item);
      const read = known === undefined ? this.#read(item) : known;
      // A promise for each of a million values would cost more than reading them.
      const value = read instanceof Promise ? await read : read;
      if (value) setValue(fields, value);
    }
    return fields;
  }

  /** The message of the entry alone, which is most often the youngest of its values. */
  async message(offset: number): Promise<Buffer | undefined> {
    for (const item of this.#file.entry(offset)?.items.toReversed() ?? []) {
      const head = this.#file.data(item, MESSAGE.length);
      if (head && head.compression !== 0) return (await this.fields(offset))?.message;
      if (!head?.payload.equals(MESSAGE)) continue;
      return this.#file.data(item, VALUE_BYTES_MAX)?.payload.subarray(MESSAGE.length);
    }
    return undefined;
  }

  #read(item: number): Value | null | Promise<Value | null> {
    const value = this.#readData(item);
    return value instanceof Promise
      ? value.then(late => this.#keep(item, late))
      : this.#keep(item, value);
  }

  #keep(item: number, value: Value | null): Value | null {
    if (value && (OWN_FIELDS.includes(value.field) || value.value.length > CACHED_BYTES_MAX)) {
      return value;
    }
    if (this.#shared.size >= CACHED_MAX) this.#shared.clear();
    this.#shared.set(item, value);
    return value;
  }

  #readData(item: number): Value | null | Promise<Value | null> {
    const data = this.#file.data(item, VALUE_BYTES_MAX);
    if (!data) return null;
    if (data.compression === 0) {
      const value = fieldIn(data.payload);
      if (value && data.payloadBytes > VALUE_BYTES_MAX) this.malformed++;
      return value;
    }
    const whole = this.#file.data(item, COMPRESSED_BYTES_MAX);
    const plain = whole && decompressPayload(whole.payload, whole.compression, this.#loadXz);
    return plain instanceof Promise ? plain.then(late => this.#told(late)) : this.#told(plain);
  }

  #told(payload: Buffer | undefined): Value | null {
    if (!payload) {
      this.malformed++;
      return null;
    }
    const value = fieldIn(payload.subarray(0, VALUE_BYTES_MAX));
    if (value && payload.length > VALUE_BYTES_MAX) this.malformed++;
    return value;
  }
}

/** A payload as the field that it sets; null for all others. */
function fieldIn(payload: Buffer): Value | null {
  const end = payload.subarray(0, NAME_BYTES_MAX).indexOf(0x3d);
  const name = end > 0 ? payload.toString('latin1', 0, end) : '';
  const field = Object.hasOwn(JOURNAL_FIELDS, name) ? JOURNAL_FIELDS[name] : undefined;
  // The entry's own header tells the boot; a field of that name is a copy of it.
  if (field === undefined || field === 'boot') return null;
  const value = payload.subarray(end + 1);
  return { field, value: field === 'message' ? value : value.toString('utf8') };
}

function setValue(fields: JournalFields, { field, value }: Value): void {
  if (field === 'message') {
    if (typeof value !== 'string') fields.message = value;
  } else if (typeof value === 'string') fields[field] = value;
}

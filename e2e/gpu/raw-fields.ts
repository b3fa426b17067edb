import { GPU_WIDE_FIELDS } from '../../src/nvml/reader/ask.ts';
import { fieldNumber } from '../../src/nvml/table/field-ids.ts';
import { LINKS, type RawLibrary, timed } from './raw-library.ts';

const FIELD_BYTES = 40;
const FIELD_LAST = 300;

/** What stands in an nvmlFieldValue_t before the call: where it still does, the driver wrote nothing. */
const BEFORE = {
  timestamp: { at: 8, bytes: Buffer.alloc(8, 0x5a) },
  latency: { at: 16, bytes: Buffer.alloc(8, 0x5b) },
  type: { at: 24, bytes: Buffer.alloc(4, 0xff) },
  return: { at: 28, bytes: Buffer.alloc(4, 0xfe) },
  value: { at: 32, bytes: Buffer.alloc(8, 0xa5) },
} as const;
const MEMBERS = Object.entries(BEFORE);
/** Behind the last entry: a driver with a longer struct would write there. */
const BEHIND = Buffer.alloc(24, 0xc3);

/** An nvmlFieldValue_t as it came back. */
interface RawField {
  readonly id: number;
  readonly scope: number;
  /** Of the whole call. */
  readonly call: number;
  /** The members that the driver left as they were. */
  readonly unwritten: string;
  readonly code: number;
  readonly type: number;
  /** All 40 bytes. */
  readonly hex: string;
  readonly behind?: string;
}

const FIELD_IDS_ALL = Array.from({ length: FIELD_LAST }, (_, index) => index + 1);
const withScope = (ids: readonly number[], scope: number) => ids.map(id => ({ id, scope }));

/** Every field id that there may be in one call; with each link as scope where that changes it. */
export function allFields(library: RawLibrary, device: bigint): unknown {
  const together = askFields(library, device, withScope(FIELD_IDS_ALL, 0));
  const known = new Map(together.map(field => [field.id, shapeOf(field)]));
  const scoped = LINKS.slice(1)
    .flatMap(scope => askFields(library, device, withScope(FIELD_IDS_ALL, scope)))
    .filter(field => known.get(field.id) !== shapeOf(field));
  const ours = GPU_WIDE_FIELDS.map(ask => ({ id: fieldNumber(ask) ?? 0, scope: ask.scope }));
  return {
    ...{ together, scoped, ours: askFields(library, device, ours) },
    ...{ module: power(1), memory: power(2), silencing: silencing(library, device) },
  };

  function power(scope: number) {
    return askFields(library, device, withScope([185, 186, 187, 188, 189, 190, 191, 192], scope));
  }
}

type Ask = { readonly id: number; readonly scope: number };
/** NVML_FI_DEV_POWER_MIN_LIMIT, one of those that an H200 leaves unwritten beside NVML_FI_DEV_C2C_LINK_COUNT. */
const MIN_LIMIT = { id: 187, scope: 0 };

/** The fields beside which the driver leaves another one unwritten. */
const silencing = (library: RawLibrary, device: bigint): number[] =>
  FIELD_IDS_ALL.filter(id => {
    const [, limit] = askFields(library, device, [{ id, scope: 0 }, MIN_LIMIT]);
    return limit?.unwritten.includes('return');
  });

const shapeOf = ({ unwritten, code, type }: RawField) => `${unwritten} ${code} ${type}`;

/** Each field in a call of its own, with its time; once more in a cleared entry where it is unwritten. */
export function fieldsAlone(library: RawLibrary, device: bigint): unknown[] {
  return FIELD_IDS_ALL.map(id => {
    const asks = [{ id, scope: 0 }];
    const { microseconds, value } = timed(() => askFields(library, device, asks));
    const [field] = value;
    const cleared =
      field && field.unwritten !== '' && field.code !== NOT_SUPPORTED
        ? { cleared: askFields(library, device, asks, true)[0]?.hex }
        : {};
    return { microseconds, ...field, ...cleared };
  });
}

const NOT_SUPPORTED = 3;

function askFields(
  library: RawLibrary,
  device: bigint,
  asks: readonly Ask[],
  isCleared = false,
): RawField[] {
  const call = library.native('nvmlDeviceGetFieldValues', ['void *', 'int32_t', 'void *']);
  const bytes = Buffer.concat([Buffer.alloc(asks.length * FIELD_BYTES), BEHIND]);
  asks.forEach(({ id, scope }, place) => {
    const entry = bytes.subarray(place * FIELD_BYTES);
    entry.writeUInt32LE(id);
    entry.writeUInt32LE(scope, 4);
    if (!isCleared) for (const [, { at, bytes: before }] of MEMBERS) before.copy(entry, at);
  });
  const whole = call?.(device, asks.length, bytes) ?? -1;
  const behind = bytes.subarray(asks.length * FIELD_BYTES);
  return asks.map((ask, place) => {
    const field = bytes.subarray(place * FIELD_BYTES, (place + 1) * FIELD_BYTES);
    const unwritten = MEMBERS.filter(([, { at, bytes: before }]) =>
      before.equals(field.subarray(at, at + before.length)),
    );
    return {
      ...ask,
      call: whole,
      unwritten: unwritten.map(([name]) => name).join(' '),
      code: field.readUInt32LE(28),
      type: field.readUInt32LE(24),
      hex: field.toString('hex'),
      ...(behind.equals(BEHIND) ? {} : { behind: behind.toString('hex') }),
    };
  });
}

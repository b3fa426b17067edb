import * as z from 'zod';
import { NAMES, type NameOf } from '../contract/names-in-text.ts';
import { needIn } from '../contract/needs.ts';
import { missing } from '../contract/reading.ts';
import { holdsReadings, lenient, valueIn } from '../contract/reading-schema.ts';
import { partsOf, replaceParts } from '../contract/schema-parts.ts';
import { cgroupToken } from './kernel-line.ts';
import type { Names } from './names.ts';
import {
  camelWord,
  deviceSetting,
  isDeviceVariable,
  keyToken,
  ownerToken,
  processToken,
  valueToken,
  WITHHELD,
  withheld,
  writerToken,
} from './public-words.ts';

/** What leaves of a text by whose name it may hold; undefined: nothing, and its place is left out. */
const LEAVES: Readonly<Record<SomeName, (names: Names, text: string) => string | undefined>> = {
  process: processToken,
  cgroup: cgroupToken,
  pod: (names, text) => names.token('pod', text),
  namespace: (names, text) => names.token('ns', text),
  container: (names, text) => names.token('ctr', text),
  owner: ownerToken,
  claim: (names, text) => names.token('claim', text),
  pool: (names, text) => names.token('pool', text),
  'label key': keyToken,
  'label value': valueToken,
  writer: writerToken,
  word: camelWord,
  sentence: (_names, text) => withheld(text),
  // What our own pod lacks is nobody's.
  refusal: (_names, text) => needIn(text),
  user: () => undefined,
  variable: (_names, text) => (isDeviceVariable(text) ? text : undefined),
  setting: (_names, text) => deviceSetting(text),
};

/** Data of a schema without the names in it: each text leaves as its mark says. */
export function redactor<Schema extends z.ZodType>(schema: Schema, names: Names) {
  const redacted = replaceTexts(schema, (mark, text) =>
    mark === undefined ? WITHHELD : LEAVES[mark](names, text),
  );
  return (data: unknown): z.output<Schema> => redacted.parse(data);
}

type SomeName = Exclude<NameOf, 'nobody'>;
/** What stands for a text with this mark, or with none; undefined: nothing, not even its place. */
type Replace = (mark: SomeName | undefined, text: string) => string | undefined;

/**
 * The schema that gives its data with other texts, at any depth, also where they are keys; those that
 * can hold nobody's name stay. What the schema does not name, parts of a kind that may hold any text,
 * and readings of another form are left out.
 */
export function replaceTexts<Schema extends z.ZodType>(
  schema: Schema,
  replace: Replace,
): z.ZodType<z.output<Schema>>;
export function replaceTexts(schema: z.ZodType, replace: Replace): z.ZodType {
  const replaced = (text: z.core.$ZodType) => (words: string) => {
    const mark = NAMES.get(text)?.of;
    return mark === 'nobody' ? words : replace(mark, words);
  };
  const inside = (part: z.ZodType): z.ZodType => {
    if (isOpen(part) && !holdsReadings(part)) return part;
    // What need not be there is looked at where it is.
    if (isOpen(part) && part.type !== 'optional') return checked(part);
    if (part.type === 'string') return z.string().transform(replaced(part));
    if (!IS_MADE_OF_PARTS.has(part.type)) return z.unknown().transform(() => undefined);
    const whole = replaceParts(part, inside);
    if (part instanceof z.ZodRecord) return whole.transform(withKeys(replaced(part.keyType)));
    if (part instanceof z.ZodObject) return whole.transform(withoutGaps);
    return valueIn(part) ? whole.catch(UNREADABLE) : whole;
  };
  return inside(schema);
}

/** Whether no text in it can hold anybody's name. */
function isOpen(part: z.core.$ZodType): boolean {
  if (!(part instanceof z.ZodType)) return false;
  if (part.type === 'string') return NAMES.get(part)?.of === 'nobody';
  if (HOLDS_NO_TEXT.has(part.type)) return true;
  const keys = part instanceof z.ZodRecord ? [part.keyType] : [];
  return IS_MADE_OF_PARTS.has(part.type) && [...keys, ...partsOf(part)].every(isOpen);
}

/** As a whole where all of it is of its form, which is fast; else reading by reading. */
function checked(part: z.ZodType): z.ZodType {
  const reasons = { absent: UNREADABLE, unreadable: UNREADABLE };
  return z.unknown().transform(data => {
    const whole = part.safeParse(data);
    return whole.success ? whole.data : lenient(part, reasons).parse(data);
  });
}

const HOLDS_NO_TEXT: ReadonlySet<string> = new Set(['number', 'boolean', 'enum', 'literal']);
const IS_MADE_OF_PARTS: ReadonlySet<string> = new Set([
  ...['object', 'array', 'tuple', 'record', 'union', 'optional', 'nullable'],
]);
const UNREADABLE = missing('unreadable');

const withoutGaps = (members: unknown) =>
  Object.fromEntries(Object.entries(Object(members)).filter(([, part]) => part !== undefined));

const withKeys = (replaced: (key: string) => string | undefined) => (entries: unknown) =>
  Object.fromEntries(
    Object.entries(Object(entries)).flatMap(([key, value]) => {
      const shown = replaced(key);
      return shown === undefined ? [] : [[shown, value]];
    }),
  );

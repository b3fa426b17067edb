import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { MACHINE_BYTES_MAX } from '../contract/limits.ts';
import { namesLike } from '../contract/names-like.ts';
import { valueIn } from '../contract/reading-schema.ts';
import { plainText } from '../contract/untrusted.ts';
import { formOf, quoted, wrongAnswer, wrongKey } from './answer-check.ts';
import {
  loadMachine,
  MACHINE_NAMES,
  type Machine,
  MachineData,
  machineFrom,
  withBase,
} from './machine.ts';
import { isRecord, MergeError } from './merged.ts';

/** Deeper and wider than any machine. */
const DEPTH_MAX = 24;
const TEXT_CHARACTERS_MAX = 4_096;

/** Whether a word of `--simulate` can only be a file: a machine's name has neither. */
export const isMachineFile = (word: string): boolean => /[/\\]|\.json$/.test(word);

/** A machine by its name or its file. @throws UsageError for neither, and for a file that is wrong. */
export const machineOf = (word: string): Machine =>
  MACHINE_NAMES.includes(word) || !isMachineFile(word) ? loadMachine(word) : readMachine(word);

/** How a machine of a file is called: as its file, in letters that a name may have. */
const nameOf = (path: string): string =>
  basename(path)
    .replace(/\.json$/, '')
    .replaceAll(/[^\w.-]+/g, '-')
    .slice(0, 64) || 'machine';

function readMachine(path: string): Machine {
  return machineOfText(textOf(path), path);
}

/** The machine that a file's text tells. @throws UsageError with what is wrong, and where. */
export function machineOfText(text: string, path: string): Machine {
  const document = parsed(text, path);
  const refused = refusal(document);
  if (refused) throw wrong(path, ...refused);
  if (!isRecord(document)) {
    throw wrong(path, '', `a machine is an object, not ${formOf(document)}`, EXAMPLE);
  }
  const { version } = document;
  if (version !== 1) {
    const what =
      version === undefined
        ? 'is missing'
        : `is ${formOf(version)}, and this plugin knows version 1 alone`;
    throw wrong(path, '', `"version" ${what}`, EXAMPLE);
  }
  try {
    const plain = plainMachine(document);
    const whole = withBase(plain);
    const checked = MachineData.safeParse(whole);
    if (!checked.success) throw issueError(path, whole, checked.error);
    return machineFrom(nameOf(path), plain);
  } catch (cause) {
    if (!(cause instanceof MergeError)) throw cause;
    throw wrong(path, placeOf(cause.path), cause.message);
  }
}

const EXAMPLE =
  '{"version": 1, "like": "h100-sxm", "title": "..."}; docs/simulation.md tells the rest';

function wrong(path: string, place: string, message: string, hint?: string): UsageError {
  const at = place === '' ? '' : `${place}: `;
  return new UsageError(
    `machine ${quoted(plainText(path))}: ${plainText(at + message, 600)}`,
    hint,
  );
}

function textOf(path: string): string {
  const failed = (why: string) =>
    new UsageError(
      `machine ${quoted(plainText(path))} could not be read: ${why}`,
      '--simulate help lists the machines that are built in',
    );
  let file: number | undefined;
  try {
    // A pipe would be waited for.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const about = fstatSync(file);
    if (!about.isFile()) throw failed('it is not a file');
    if (about.size > MACHINE_BYTES_MAX) {
      throw failed(`it is larger than ${MACHINE_BYTES_MAX / 1024 ** 2} MiB`);
    }
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    throw failed(
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EACCES'
          ? 'no permission'
          : String(code),
    );
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const before = text.slice(0, faultIn(text)).split('\n');
    const place = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
    const what = text.trim() === '' ? 'it is empty' : `it is no JSON at ${place}`;
    throw wrong(path, '', what, EXAMPLE);
  }
}

/** Where a text stops being JSON: what comes before is only cut off, what goes beyond is wrong. */
function faultIn(text: string): number {
  let [good, bad] = [0, text.length + 1];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (isBeginning(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

/** Whether a text is JSON, or would be with more of it. */
function isBeginning(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const words = error instanceof Error ? error.message : '';
    const position = /at position (\d+)/.exec(words)?.[1];
    return position === undefined
      ? /end of JSON input/.test(words)
      : Number(position) >= text.length;
  }
}

/** What no machine has at all: a key that is a trap, or endless depth. Walked without recursion. */
function refusal(document: unknown): [string, string] | undefined {
  const open: { readonly value: unknown; readonly path: readonly string[] }[] = [
    { value: document, path: [] },
  ];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, path } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (path.length > DEPTH_MAX) return [placeOf(path.slice(0, 8)), 'this is nested too deep'];
    for (const [key, part] of Object.entries(value)) {
      if (key === '__proto__' || key === 'constructor' || key === 'prototype') {
        return [placeOf(path), `${quoted(key)} is no word of a machine`];
      }
      open.push({ value: part, path: [...path, key] });
    }
  }
  return undefined;
}

/** The same with every text made plain, as the readers of a real node make it; kernel lines are raw there too. */
function plainMachine(value: unknown, key = ''): unknown {
  if (typeof value === 'string') {
    return key === 'text' ? value : plainText(value, TEXT_CHARACTERS_MAX);
  }
  if (Array.isArray(value)) return value.map(item => plainMachine(item, key));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [plainText(name, 256), plainMachine(part, name)]),
  );
}

/** `gpus.3.answers["deviceGetClockInfo sm"]` */
function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((part, place) => {
      const word = String(part);
      if (/^[\w-]{1,60}$/.test(word)) return place === 0 ? word : `.${word}`;
      return `[${quoted(word)}]`;
    })
    .join('');
}

type Issue = z.core.$ZodIssue;

/** The first thing that is wrong as one sentence, with how many more there are. */
function issueError(file: string, whole: unknown, { issues }: z.ZodError): UsageError {
  const [issue] = issues;
  if (!issue) return wrong(file, '', 'it is not of its form');
  const path = pathIn(whole, issue.path);
  const value = valueAt(whole, path);
  const { message, hint, place = path } = sentenceOf(issue, path, value);
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  return wrong(file, placeOf(place), `${message}${more}`, hint);
}

interface Sentence {
  readonly message: string;
  readonly hint?: string | undefined;
  readonly place?: readonly PropertyKey[];
}

function sentenceOf(issue: Issue, path: readonly PropertyKey[], value: unknown): Sentence {
  const answer = wrongAnswerAt(path, value);
  if (answer) return answer;
  switch (issue.code) {
    case 'unrecognized_keys': {
      const [key = ''] = issue.keys;
      const known = keysAt(MachineData, issue.path);
      const near = namesLike(key, known);
      const allowed = near.length > 0 ? near : known;
      return { message: `${quoted(key)} is not known here`, hint: allowed.join(', ') || undefined };
    }
    case 'invalid_type':
      return value === undefined
        ? { message: 'is missing', hint: WORDS[issue.expected] }
        : {
            message: `${WORDS[issue.expected] ?? issue.expected} belongs here, not ${formOf(value)}`,
          };
    case 'invalid_value': {
      const values = issue.values.map(String);
      const near = typeof value === 'string' ? namesLike(value, values) : [];
      const allowed = near.length > 0 ? near : values;
      const what = value === undefined ? 'is missing' : `${formOf(value)} is none of its values`;
      return { message: what, hint: allowed.join(', ') };
    }
    case 'invalid_union': {
      const [first] = issue.errors.flat();
      const inner = first && first.path.length === 0 && first.code !== 'invalid_union';
      return inner
        ? sentenceOf(first, path, value)
        : { message: `${formOf(value)} is not of the form that belongs here` };
    }
    case 'too_small':
      return { message: `${formOf(value)} is too small: ${issue.minimum} at least` };
    case 'too_big': {
      const { origin, maximum } = issue;
      if (origin === 'array') return { message: `a list of ${maximum} at most belongs here` };
      if (origin === 'string')
        return { message: `a text of ${maximum} characters at most belongs here` };
      return { message: `${formOf(value)} is too large: ${maximum} at most` };
    }
    case 'invalid_format':
      return {
        message: `${formOf(value)} is not of its form`,
        hint: 'pattern' in issue ? issue.pattern : undefined,
      };
    case 'custom': {
      const hint: unknown = issue.params?.['hint'];
      return { message: issue.message, hint: typeof hint === 'string' ? hint : undefined };
    }
    default:
      return { message: `${formOf(value)} is not of its form` };
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ...{ object: 'an object', record: 'an object', array: 'a list', string: 'a text' },
  ...{ number: 'a number', int: 'a whole number', boolean: 'true or false' },
};

/** Why an answer is wrong, where the path leads to one: NVML knows that better than its form. */
function wrongAnswerAt(path: readonly PropertyKey[], value: unknown): Sentence | undefined {
  const at = path.indexOf('answers');
  const key = path[at + 1];
  if (at === -1 || typeof key !== 'string' || path.length > at + 2) return undefined;
  const place = path.slice(0, at + 2);
  const found = wrongKey(key) ?? wrongAnswer(key, value);
  return found && { ...found, place };
}

/**
 * The path in the document: a reading's value, which stands in its place there, is one step more in
 * the checked data, and the reason why it is missing has another name.
 */
function pathIn(document: unknown, path: readonly PropertyKey[]): PropertyKey[] {
  const own: PropertyKey[] = [];
  let part = document;
  for (const step of path) {
    const isThere = isRecord(part) || Array.isArray(part) ? Object.hasOwn(part, step) : false;
    if (!isThere && step === 'value') continue;
    const isReason = !isThere && step === 'reason' && isRecord(part) && 'missing' in part;
    const named = isReason ? 'missing' : step;
    own.push(named);
    part = valueAt(part, [named]);
  }
  return own;
}

function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((part, step) => {
    if (Array.isArray(part)) return part[Number(step)];
    return isRecord(part) && Object.hasOwn(part, step) ? part[String(step)] : undefined;
  }, document);
}

/** The words that may stand at a place. */
function keysAt(schema: unknown, [step, ...rest]: readonly PropertyKey[]): string[] {
  const inner = unwrapped(schema);
  if (step === undefined) return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
  if (inner instanceof z.ZodObject) {
    const part: unknown = inner.shape[String(step)];
    return part === undefined && step === 'value' ? keysAt(inner, rest) : keysAt(part, rest);
  }
  if (inner instanceof z.ZodArray) return keysAt(inner.element, rest);
  if (inner instanceof z.ZodRecord) return keysAt(inner.valueType, rest);
  return [];
}

/** What a schema checks in the end: through defaults, preparations, and what a reading holds. */
function unwrapped(schema: unknown): unknown {
  if (schema instanceof z.ZodPipe) {
    const { in: before, out } = schema.def;
    return unwrapped(before instanceof z.ZodTransform ? out : before);
  }
  if (
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodExactOptional
  ) {
    return unwrapped(schema.def.innerType);
  }
  const held = schema instanceof z.ZodType ? valueIn(schema) : undefined;
  return held ? unwrapped(held) : schema;
}

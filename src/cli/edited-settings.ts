import { isDeepStrictEqual } from 'node:util';
import { dump, load } from 'js-yaml';
import { applyEdits, modify, type ParseError, parse as parseJson } from 'jsonc-parser';
import { parse as parseToml, stringify as tomlOf } from 'smol-toml';
import { UsageError } from '../contract/errors.ts';

/**
 * A user's settings with one entry more, everything else as it stood: comments, order, blank lines.
 * The text is edited and read again; what then says anything else than it should is refused.
 */

type Format = 'json' | 'toml' | 'yaml';
type Entry = Readonly<Record<string, unknown>>;
type Tree = Readonly<Record<string, unknown>>;

interface Placed {
  /** The keys down to the entry and its own name. */
  readonly path: readonly string[];
  readonly entry: Entry;
}

export class NotEditable extends UsageError {}

/** What stands in the place of the entry now. @throws UsageError for a text that cannot be read. */
export const entryIn = (text: string, format: Format, path: readonly string[]): unknown =>
  path.reduce<unknown>((at, key) => (isTree(at) ? at[key] : undefined), treeOf(text, format));

/** The text alone, as one would paste it. */
export function textOf({ path, entry }: Placed, format: Format): string {
  const tree = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), entry);
  return format === 'json'
    ? `${JSON.stringify(tree, null, 2)}\n`
    : format === 'yaml'
      ? dump(tree)
      : `${tomlOf(isTree(tree) ? tree : {}).trim()}\n`;
}

/**
 * The text with the entry in it.
 *
 * @throws UsageError for a text that cannot be read, NotEditable for one that is written in a way
 * that cannot be edited safely.
 */
export function edited(text: string, format: Format, placed: Placed): string {
  const before = treeOf(text, format);
  const wanted = withEntry(before, placed);
  const after = EDITS[format](text, placed);
  if (isReadAs(wanted, after, format)) return after;
  throw new NotEditable('it is written in a way that cannot be edited without changing more');
}

function isReadAs(wanted: Tree, text: string, format: Format): boolean {
  try {
    return isSame(treeOf(text, format), wanted);
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}

const EDITS: Readonly<Record<Format, (text: string, placed: Placed) => string>> = {
  json: editedJson,
  toml: editedToml,
  yaml: editedYaml,
};

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const BOM = '\uFEFF';

function treeOf(text: string, format: Format): Tree {
  const bare = text.startsWith(BOM) ? text.slice(1) : text;
  if (bare.trim() === '') return {};
  const tree = format === 'json' ? jsonTree(bare) : otherTree(bare, format);
  if (isTree(tree)) return tree;
  // A YAML file of comments alone.
  if (tree === undefined || tree === null) return {};
  throw new UsageError('it is not a set of named settings', HAND);
}

const HAND = 'correct the file, or paste what is printed above';

function jsonTree(text: string): unknown {
  const errors: ParseError[] = [];
  const tree: unknown = parseJson(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first === undefined) return tree;
  const line = text.slice(0, first.offset).split('\n').length;
  throw new UsageError(`it is not valid JSON (line ${line})`, HAND);
}

function otherTree(text: string, format: 'toml' | 'yaml'): unknown {
  try {
    return format === 'toml' ? parseToml(text, { integersAsBigInt: 'asNeeded' }) : load(text);
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split('\n', 1)[0] ?? '') : '';
    throw new UsageError(`it is not valid ${format.toUpperCase()} (${why})`, HAND);
  }
}

/** @throws NotEditable where something else than names stands on the way. */
function withEntry(tree: Tree, { path: [key = '', ...rest], entry }: Placed): Tree {
  if (rest.length === 0) return { ...tree, [key]: entry };
  const inner = tree[key] ?? {};
  if (!isTree(inner)) throw new NotEditable(`"${key}" in it is not a set of named settings`, HAND);
  return { ...tree, [key]: withEntry(inner, { path: rest, entry }) };
}

/** Parsers make objects of different kinds; what counts is what they say. */
const isSame = (one: unknown, other: unknown): boolean =>
  isDeepStrictEqual(plain(one), plain(other));

const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? `${part}` : part)));

function editedJson(text: string, { path, entry }: Placed): string {
  const [mark, bare] = text.startsWith(BOM) ? [BOM, text.slice(1)] : ['', text];
  const indent = /^([ \t]+)\S/m.exec(bare)?.[1] ?? '  ';
  const options = {
    formattingOptions: {
      insertSpaces: !indent.startsWith('\t'),
      tabSize: indent.startsWith('\t') ? 1 : indent.length,
      eol: bare.includes('\r\n') ? '\r\n' : '\n',
    },
  };
  const from = bare.trim() === '' ? '{}\n' : bare;
  return mark + applyEdits(from, modify(from, [...path], entry, options));
}

/** A table of TOML ends where the next one begins; ours is put in the place of an old one, or last. */
function editedToml(text: string, { path, entry }: Placed): string {
  const table = textOf({ path, entry }, 'toml');
  const lines = text.split('\n');
  const isOurs = (line: string) => {
    const [, name = ''] = /^\s*\[\s*([^[\]]+?)\s*\]/.exec(line) ?? [];
    const keys = name.split('.').map(key => key.trim().replace(/^(["'])(.*)\1$/, '$2'));
    return path.every((key, index) => keys[index] === key);
  };
  const from = lines.findIndex(isOurs);
  if (from === -1)
    return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}\n${table}`.replace(/^\n/, '');
  const next = lines.findIndex((line, at) => at > from && /^\s*\[/.test(line) && !isOurs(line));
  const end = next === -1 ? lines.length : next;
  // What stands right before the next table is about that one.
  const kept = lines.slice(from, end).findLastIndex(line => !/^\s*(?:#.*)?$/.test(line)) + from + 1;
  return [...lines.slice(0, from), table.trimEnd(), ...lines.slice(kept)].join('\n');
}

/** YAML in blocks: the entry stands first under its key, in the indentation of those beside it. */
function editedYaml(text: string, { path, entry }: Placed): string {
  const [key = '', name = ''] = path;
  const lines = text.split('\n');
  const at = lines.findIndex(line => new RegExp(`^${key}:\\s*(?:#.*)?$`).test(line));
  if (at === -1) {
    const block = textOf({ path, entry }, 'yaml');
    return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${block}`;
  }
  const isPart = (line: string) => /^\s*(?:#.*)?$/.test(line) || /^\s/.test(line);
  const length = lines.slice(at + 1).findIndex(line => !isPart(line));
  const end = length === -1 ? lines.length : at + 1 + length;
  const inner = lines.slice(at + 1, end);
  const indent = inner.find(line => /^\s+[^\s#]/.test(line))?.match(/^\s+/)?.[0] ?? '  ';
  const block = dump({ [name]: entry })
    .trimEnd()
    .split('\n')
    .map(line => indent + line);
  const old = inner.findIndex(line => new RegExp(`^${indent}(["']?)${name}\\1:`).test(line));
  if (old === -1) return [...lines.slice(0, at + 1), ...block, ...lines.slice(at + 1)].join('\n');
  const deeper = inner.slice(old + 1).findIndex(line => !line.startsWith(`${indent} `));
  const after = deeper === -1 ? inner.length : old + 1 + deeper;
  return [
    ...[...lines.slice(0, at + 1), ...inner.slice(0, old), ...block],
    ...[...inner.slice(after), ...lines.slice(end)],
  ].join('\n');
}

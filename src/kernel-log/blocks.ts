/** Lines of one entry that are looked at: what is longer is no entry of a log. */
const ENTRY_LINES_MAX = 1_024;
const LINE_CHARACTERS_MAX = 64 * 1024;

interface Form {
  readonly begins: (line: string) => boolean;
  readonly read: (lines: readonly string[]) => Readonly<Record<string, string>>;
}

/** `Mon 2026-09-14 12:34:56.123456 UTC [s=0d5f...;i=1a2;...]`: journalctl -o verbose. */
const VERBOSE = /^\S+ (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d{6})? (\S{1,9}) \[s=[0-9a-f]+;i=/;
/** What journalctl may say before the first entry. */
const PREAMBLE = String.raw`(?:-- [^\n]*\n)*`;

/** The form of a log whose entries stand as blocks of lines; undefined where it is none. */
export function blocksIn(head: string): Form | undefined {
  if (new RegExp(`^${PREAMBLE}${VERBOSE.source.slice(1)}`).test(head)) {
    return { begins: line => VERBOSE.test(line), read: verboseFields };
  }
  return /^(?:---\n[\w"'-]+:|apiVersion: |- [\w"'-]+: )/.test(head)
    ? { begins: line => line === '---' || /^ {0,2}- [\w"'-]+:/.test(line), read: yamlFields }
    : undefined;
}

/**
 * Each entry as an object of JSON on its first line, and empty lines for its others: the numbers of
 * lines stay.
 */
export async function* blocksAsJson(
  chunks: AsyncIterable<Buffer>,
  form: Form,
): AsyncGenerator<Buffer> {
  let entry: string[] = [];
  for await (const line of linesOf(chunks)) {
    if (entry.length > 0 && (form.begins(line) || entry.length === ENTRY_LINES_MAX)) {
      yield jsonOf(entry, form);
      entry = [];
    }
    entry.push(line);
  }
  if (entry.length > 0) yield jsonOf(entry, form);
}

const jsonOf = (lines: readonly string[], form: Form): Buffer =>
  Buffer.from(`${JSON.stringify(form.read(lines))}${'\n'.repeat(lines.length)}`);

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = `${rest}${decoder.decode(chunk, { stream: true })}`.split('\n');
    rest = (lines.pop() ?? '').slice(0, LINE_CHARACTERS_MAX);
    for (const line of lines) yield line.slice(0, LINE_CHARACTERS_MAX).replace(/\r$/, '');
  }
  if (rest !== '') yield rest;
}

/** The fields of a journal's entry as journalctl -o json names them; values may have several lines. */
function verboseFields(lines: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  let last: string | undefined;
  for (const line of lines) {
    const head = VERBOSE.exec(line);
    if (head) {
      const [, date, time, fraction = '', zone = ''] = head;
      const timeMs = Date.parse(`${date}T${time}${/^(?:UTC|GMT)$/.test(zone) ? 'Z' : zone}`);
      const known = Number.isNaN(timeMs) ? '' : `${timeMs / 1_000}${fraction.slice(1) || '000000'}`;
      fields['__REALTIME_TIMESTAMP'] = known;
    }
    const [, name, value = ''] = /^ {4}([A-Z_][A-Z0-9_]*)=(.*)$/.exec(line) ?? [];
    if (name !== undefined) {
      fields[name] = value;
      last = name;
    } else if (last !== undefined && line.startsWith('     ')) {
      fields[last] = `${fields[last] ?? ''}\n${line.trim()}`;
    }
  }
  return fields;
}

/** Keys and scalars of one entry, whatever the depth; a scalar may go on in deeper lines. */
function yamlFields(lines: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  let open:
    | { readonly key: string; readonly indent: number; readonly block: boolean; value: string }
    | undefined;
  const close = () => {
    if (open) fields[open.key] = scalarOf(open.value);
    open = undefined;
  };
  for (const line of lines) {
    const indent = line.length - line.trimStart().length;
    const isOpenQuote = open !== undefined && /^(['"])(?:(?!\1).|\1\1)*$/.test(open.value);
    const isInBlock = open?.block === true && (indent > open.indent || line.trim() === '');
    const found =
      isOpenQuote || isInBlock ? null : /^\s*(?:- +)*["']?([\w.@/-]+)["']?:(?: +(.*))?$/.exec(line);
    if (found) {
      close();
      const [, key = '', value = ''] = found;
      const block = /^[>|][+-]?\d?$/.test(value);
      open = { key, indent, block, value: block ? '' : value };
    } else if (open && (isOpenQuote || indent > open.indent)) {
      open.value = `${open.value}${open.block ? '\n' : ' '}${line.trim()}`.trimStart();
    } else close();
  }
  close();
  return fields;
}

function scalarOf(written: string): string {
  const single = /^'(.*)'$/s.exec(written)?.[1];
  if (single !== undefined) return single.replaceAll("''", "'");
  const double = /^"(.*)"$/s.exec(written)?.[1];
  return double === undefined ? written : double.replaceAll(/\\(["\\/])/g, '$1');
}

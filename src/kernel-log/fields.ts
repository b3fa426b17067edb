/** One value of a line that is a list of values: its name where the list gives one. */
export interface Field {
  readonly key: string | null;
  readonly value: string;
}

const FIELDS_MAX = 128;

/** `{host="a", job="kern"} ` before a line: what Loki's logcli prints. */
const LABELS = /^\{\w[\w.]*="(?:[^"\\]|\\.)*"(?:, ?\w[\w.]*="(?:[^"\\]|\\.)*")*\}\s+/;
/** `W0426 23:12:26.123456       1 watch.go:42] `, as Kubernetes' own programs begin their lines. */
const KLOG = /^[IWEF](\d\d)(\d\d) (\d\d:\d\d:\d\d)(\.\d{1,9})? +\d+ [\w.-]{1,64}:\d+\] /;
/** ` - gpu_watch - WARNING - `, as Python's logging does. */
const PYTHON = /^(?:- [\w.]{1,64} )?- (?:DEBUG|INFO|WARNING|ERROR|CRITICAL) - /;
/** `[gpu-health] [WARN] GPU-e11d...: XID: `: groups in brackets, a level, the GPU, the word. */
const WATCHER =
  /^(?:\[(?=[^\]]*[A-Za-z])[\w ./-]{1,48}\] +)*(?:(?:INFO|WARN|WARNING|ERROR|CRIT|CRITICAL):? +)?(?:GPU[ -][\w-]{1,40}: +)?(?:X[Ii][Dd]: +)?/;

/** `WARN  [kmsg-reader] c.a.gpu.Kmsg - `: a level, a thread and a class, as Java's loggers write. */
const JAVA =
  /^(?:\[[\w.-]{1,64}\] )?(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL) +(?:\[[\w.-]{1,64}\] +)?[\w.$]{1,80} +[-:] +/;
/** What node-problem-detector says of a line that one of its rules matched. */
const PROBLEM =
  /^New status generated: &\{Source:[\w-]{1,64} Events:\[\{Severity:\w+ Timestamp:[^{}]{1,64} Reason:\w{1,64} Message:/;

/** What a program that passes kernel messages on writes before each of them; 0 where nothing. */
export function watcherWidth(text: string): number {
  for (const form of [LABELS, KLOG, PYTHON, JAVA, PROBLEM, WATCHER]) {
    const width = form.exec(text)?.[0].length ?? 0;
    if (width > 0) return width;
  }
  return 0;
}

/** The values of a line of CSV (RFC 4180), of tab-separated values, or of `key=value` pairs. */
export const fieldsIn = (text: string): readonly Field[] =>
  pairsIn(text) ??
  cellsIn(text, ',') ??
  cellsIn(text, '\t') ??
  columnsIn(text) ??
  fragmentIn(text) ??
  [];

/** `"XID found" `: klog's message before its pairs. */
const QUOTED_FIRST = /^"(?:[^"\\]|\\.){1,256}" +(?=[\w.@/-]{1,64}=)/;

/** `time="..." level=info msg="..."`, and nothing else on the line. */
function pairsIn(line: string): Field[] | undefined {
  const text = line.replace(QUOTED_FIRST, '');
  const pair = /"?([\w.@/-]{1,64})"?=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?:\s+|$)/y;
  const found: Field[] = [];
  while (pair.lastIndex < text.length) {
    const match = pair.exec(text);
    if (!match || found.length === FIELDS_MAX) return undefined;
    const [, key = '', quoted, bare = ''] = match;
    found.push({ key, value: quoted === undefined ? bare : unquoted(quoted) });
  }
  return found.length > 1 || (found.length === 1 && text !== line) ? found : undefined;
}

const unquoted = (text: string): string =>
  text.replaceAll(/\\(["\\/nrt])/g, (_, escaped: string) =>
    escaped === 'n' ? '\n' : escaped === 'r' ? '\r' : escaped === 't' ? '\t' : escaped,
  );

const COMMAS = /(?:"((?:[^"]|"")*)"|([^,"]*))(,|$)/y;
const TABS = /(?:"((?:[^"]|"")*)"|([^\t]*))(\t|$)/y;
/** A time, a host, a level: a sentence of the kernel with a quote in it is no row of a table. */
const BARE = /^(?!.*: )[\w .:@/+-]*$/;
const FIRST = /^\S*$|^\d{4}-\d\d|^[A-Z][a-z]{2} \d/;

/** Cells; a quoted one may hold the separator, and `""` in it is a quote. */
function cellsIn(text: string, separator: ',' | '\t'): Field[] | undefined {
  const cell = new RegExp(separator === ',' ? COMMAS : TABS);
  const found: Field[] = [];
  for (let ended = false; !ended; ) {
    const match = cell.exec(text);
    if (!match || found.length === FIELDS_MAX) return undefined;
    const [, quoted, bare = '', end] = match;
    const isFirst = found.length === 0;
    if (quoted === undefined && separator === ',' && !BARE.test(bare)) return undefined;
    if (quoted === undefined && isFirst && !FIRST.test(bare)) return undefined;
    found.push({ key: null, value: quoted?.replaceAll('""', '"') ?? bare.trim() });
    ended = end === '';
  }
  return found.length > 1 ? found : undefined;
}

/** `12m (x3 over 15m)   Warning   GpuXid   node/a   text`, `| 12:34:56 | node7 | text |`. */
function columnsIn(text: string): Field[] | undefined {
  const trimmed = text.trim();
  const table = /^\|(.*)\|$/.exec(trimmed)?.[1];
  const cells = (table ?? trimmed).split(table === undefined ? / {2,}/ : '|', FIELDS_MAX);
  const values = cells.map(cell => cell.trim());
  const others = values.slice(0, -1);
  const isTable = table !== undefined || FIRST_COLUMN.test(values[0] ?? '');
  return others.length > 0 && isTable && others.every(value => COLUMN.test(value))
    ? values.map(value => ({ key: null, value }))
    : undefined;
}

/** An age, a time, one word: two spaces may stand in a name that the kernel prints. */
const FIRST_COLUMN = /^(?:(?:\d+[smhdy])+(?: \(x\d+ over \w+\))?|\d{4}-\d\d-\d\d\S*|[\w.-]{1,64})$/;
/** Words, times, names: no colon that the kernel ends a name with. */
const COLUMN = /^(?!.*: )[\w .,:@/+()-]{1,64}$/;

/** `  "message": "...",`: a line of JSON whose rest stands on other lines, or is cut off. */
function fragmentIn(text: string): Field[] | undefined {
  const found = [
    ...text.matchAll(/"([\w.@ -]{1,64})"\s*:\s*(?:"((?:[^"\\]|\\.)*)(?:"|$)|([\d.]+))/g),
  ]
    .slice(0, FIELDS_MAX)
    .map(([, key = '', quoted, bare = '']) => ({
      key,
      value: quoted === undefined ? bare : unquoted(quoted),
    }));
  return found.length > 0 && /^\s*[[{]?\s*["{]/.test(text) ? found : undefined;
}

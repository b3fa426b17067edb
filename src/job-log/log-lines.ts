import { JOB_LOG_LINES_MAX } from '../contract/limits.ts';
import { isoTime } from '../contract/time.ts';
import { type Label, labelOf, nameIn } from './line-labels.ts';
import { openAtEndOf } from './quoted.ts';
import { namesSecret } from './secrets.ts';

/** Of a longer line its beginning and its end are read: whoever wrote it may have made it to be slow. */
const PART_CHARACTERS = 4_096;
/** What stands across the border of both is read with its end. */
const OVERLAP_CHARACTERS = 256;

/** A line without what its launcher and its logger put before it, or a part of one. */
export interface Line {
  readonly at: string | undefined;
  readonly rank: number | undefined;
  readonly gpu: number | undefined;
  /** The host, the address or the pod that a label names. */
  readonly of: string | undefined;
  /** Which process of the container wrote it, as far as the line tells. */
  readonly stream: string;
  /** `plain`: it names none. */
  readonly level: 'quiet' | 'warning' | 'plain' | 'error';
  readonly text: string;
  /** From 1; the parts of a line share it. */
  readonly number: number;
  /** A terminal shows what follows in its place, as of a progress bar. */
  readonly redrawn: boolean;
  /** Of the end of a long line: what openAtEndOf says of its beginning. */
  readonly within?: string | undefined;
}

/** What there is to read, and how many characters of lines that are too long are not. */
export interface LogLines {
  readonly lines: readonly Line[];
  readonly unreadCharacters: number;
}

export function linesOf(text: string): LogLines {
  let unreadCharacters = 0;
  const raws = text.replace(/\n$/, '').split('\n').map(behindBars);
  const piecesMax = piecesOfEach(raws);
  const collectors = new Collectors();
  const lines = raws.flatMap((raw, index) => {
    if (raw.length <= PART_CHARACTERS && !raw.includes('\r'))
      return lineOf(raw, index + 1, collectors);
    const { parts, unread } = partsOf(raw, index + 1, piecesMax, collectors);
    unreadCharacters += unread;
    return parts;
  });
  return { lines: withoutLabels(lines), unreadCharacters };
}

/** What another process writes behind a bar of tqdm, and bars that a terminal's log holds one behind the other. */
const BEHIND_BAR = /((?:it\/s|s\/it)[^\]\r]{0,200}\])(?: {1,3}(?=\d{1,3}%\|)|(?=[A-Za-z[(]))/g;
const behindBars = (raw: string): string =>
  raw.includes('it/s') || raw.includes('s/it') ? raw.replaceAll(BEHIND_BAR, '$1\r') : raw;

/** Who collects the lines of who collects lines. */
const LABELS_MAX = 3;

function withoutLabels(lines: readonly Line[], left = LABELS_MAX): readonly Line[] {
  const label = left > 0 ? labelOf(lines.map(({ text }) => text)) : undefined;
  if (!label) return lines;
  const within = new Collectors();
  return withoutLabels(
    lines.map(line => unlabelled(line, label, within)),
    left - 1,
  );
}

/** What stands behind a label is read as a line of its own; the name of a secret stays, since without it nobody knows that it is one. */
function unlabelled(line: Line, { form, isOne }: Label, collectors: Collectors): Line {
  const found = form.exec(line.text);
  if (!found || !isOne(found[0])) return line;
  const label = found[0];
  if (namesSecret(label, line.text.slice(label.length))) return line;
  const rank = found.groups ? (found.groups['rank'] ?? found.groups['mpi']) : found[1];
  const { level, text, ...own } = lineOf(line.text.slice(label.length), line.number, collectors);
  return {
    ...{ ...line, text, gpu: own.gpu ?? gpuIn(label) ?? line.gpu },
    // Who wrote it stands nearest to it.
    of: own.of ?? nameIn(label) ?? line.of,
    stream: `${label}${own.stream}`,
    level: level === 'plain' ? line.level : level,
    rank: rank === undefined ? own.rank : Number(rank),
  };
}

/** `[gpu3] `, `GPU 3 | ` */
function gpuIn(label: string): number | undefined {
  const gpu = /\bgpu[ _:-]?(\d{1,3})\b/i.exec(label)?.[1];
  return gpu === undefined ? undefined : Number(gpu);
}

/** How many drawings of a line are read: of all together as many as of lines, of each one the last two. */
function piecesOfEach(raws: readonly string[]): number {
  const drawn = raws.filter(raw => raw.includes('\r')).length;
  return Math.max(2, Math.floor(JOB_LOG_LINES_MAX / Math.max(1, drawn)));
}

/** What a terminal would have drawn over each other, and of what is too long its two ends. */
function partsOf(raw: string, number: number, piecesMax: number, collectors: Collectors) {
  const all = raw.split('\r').filter((piece, index) => piece !== '' || index === 0);
  const half = Math.ceil(piecesMax / 2);
  const begin = all.length > piecesMax ? all.slice(0, piecesMax - half) : [];
  const drawn = all.length > piecesMax ? [...begin, ...all.slice(-half)] : all;
  const length = (pieces: readonly string[]) => pieces.reduce((sum, one) => sum + one.length, 0);
  let unread = length(all) - length(drawn);
  let at: string | undefined;
  const parts = drawn.flatMap((piece, index): Line[] => {
    const redrawn = index < drawn.length - 1;
    const own = lineOf(piece.slice(0, PART_CHARACTERS), number, collectors);
    at ??= own.at;
    const head: Line = { ...own, at, redrawn };
    if (piece.length <= PART_CHARACTERS) return [head];
    const begin = Math.max(PART_CHARACTERS - OVERLAP_CHARACTERS, piece.length - PART_CHARACTERS);
    unread += Math.max(0, begin - PART_CHARACTERS);
    // It begins with a whole word, where there are words.
    const end = piece.slice(begin).replace(/^\S{0,200}\s/, '');
    const { level, text } = lineOf(end, number, collectors);
    const within = openAtEndOf({ ...own, text: textBefore(own.text, piece, end.length) });
    return [head, { ...head, text, within, level: head.level === 'plain' ? level : head.level }];
  });
  return { parts, unread };
}

/** What stands before the end of a long line, without what its head is without. */
function textBefore(head: string, piece: string, endCharacters: number): string {
  const more = piece.length - endCharacters - PART_CHARACTERS;
  return more < 0 ? head.slice(0, more) : head + piece.slice(PART_CHARACTERS, -endCharacters);
}

/** kubectl logs --timestamps. */
const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d) ?/;

/** A line of it: when, as ISO 8601 UTC whatever the zone of the node, and what. */
export function stamped(line: string): { readonly at: string | undefined; readonly said: string } {
  const [stamp = '', seconds = '', fraction = '', zone = ''] = STAMP.exec(line) ?? [];
  const said = line.slice(stamp.length);
  if (stamp === '' || zone === 'Z') return { at: stamp.trimEnd() || undefined, said };
  const ms = Date.parse(`${seconds}${zone}`);
  if (Number.isNaN(ms)) return { at: undefined, said };
  return { at: isoTime(ms).replace('Z', `${fraction}Z`), said };
}

/** Colours and moves of a terminal (CSI), its titles and links (OSC). */
const COLOUR = /\u001B(?:\[[0-9;?]*[A-Za-z]|\][^\u0007\u001B]{0,2000}(?:\u0007|\u001B\\))/g;
/** `[rank3]:` of torch, `[1,3]<stderr>:` of mpirun, `[3]<stderr>:` of horovodrun, `[1,mpirank:3,algo-1]<stderr>:` of SageMaker: global ranks. */
const GLOBAL_RANK =
  /^(?:\[rank(\d{1,6})\]:? ?|\[(?:\d+,)?(?:mpirank:)?(\d{1,6})(?:,algo-\d{1,4})?\]<std(?:out|err)>: ?)/;
/** `[default3]:` of torchrun: the rank within the node. */
const LOCAL_RANK = /^\[[a-z_]*?(\d{1,3})(?:\|\d{1,3})?\]: ?/;
/** `[vllm]: ` of what collects the lines of several services, before what they put there themselves; `i.train/0 ` of torchx. */
const SERVICE =
  /^\[[a-z][\w-]{0,40}\]: (?=\(|\[|(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b)|^[a-z][\w.-]{0,60}\/\d{1,4} (?=\[(?:default|rank)\d|Traceback | {2}File "|[IWEF]\d{4} |[\w.]{1,200}(?:Error|Exception): )/;
/** `(RayTrainWorker pid=8, ip=10.0.0.3)`, `(VllmWorker rank=1 pid=8)`; `[pod/train-0/main] ` of kubectl logs --prefix. */
const ACTOR =
  /^(?:\(([A-Za-z]\w*[^()\n]{0,80})\) ?|\[pod\/(?<pod>[\w.-]{1,253})\/[\w.-]{1,63}\] ?)/;
/** Ray names an actor's node only where it is not the one that prints it. */
const ADDRESS = /\bip=([\w.:-]{2,64})/;
/** `ERROR 11-27 12:00:00 [core.py:390]`, `E0810 15:46:05.718597139 ProcessGroupNCCL.cpp:632]`. */
const LOGGER =
  /^\[?(?:(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)\b|[IWEF]\d{3,4} |[DIWE] \d\d-\d\d \d\d:)[^\]\n]{0,120}\] ?/;
/** What a logger writes of another program's stderr has its own time and level: `hhblits.py:141] - 04:32:27.820 INFO: `. */
const QUOTED_LEVEL = /\] \W{0,4}[\d:.,T-]{8,30} \[?(DEBUG|INFO|NOTICE|WARN(?:ING)?)\b[\]:]/;
const quotedLevelOf = (text: string): Line['level'] | undefined => {
  const level = LOGGER.test(text) ? QUOTED_LEVEL.exec(text.slice(0, 160))?.[1] : undefined;
  if (level === undefined) return undefined;
  return level.startsWith('WARN') ? 'warning' : 'quiet';
};
/** AlphaFold notes what its container wrote. */
const OF_CONTAINER = /^I\d{4} [\d:.]{8,18} \d{1,20} run_docker\.py:\d{1,6}\] /;
/** `[Stage-0] ERROR 03-12 `, `[SLURM STDERR] srun: `: a tag of whoever runs it, before what its logger or Slurm puts there. */
const TAGGED =
  /^\[[A-Z](?:[\w-]{0,30}\] (?=(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) )|[\w -]{0,40}\] (?=(?:slurmstepd|srun|sbatch)(?:-[\w.-]{1,64})?: ))/;
/** uvicorn's `ERROR:    ` before each line of a traceback. */
const UVICORN =
  /^ERROR: {4}(?= {2,12}\S|Traceback \(most|(?:[A-Za-z_]\w{0,40}\.){0,8}[A-Z]\w{0,60}(?:Error|Exception): \S)/;
/** `Dec 31 01:55:57 node-7 ollama[555324]: ` of journald, but for the kernel, whose lines tell their own time. */
const MONTH = /^[A-Z][a-z]{2} [ \d]\d /;
const JOURNAL =
  /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?<host>[\w.-]{1,64}) (?!kernel)[\w.@-]{1,64}\[\d{1,10}\]: ?/;
/** `host:pid:tid [gpu] NCCL`; releases before 2.4 leave the name out. */
const NCCL =
  /\b[\w.-]{1,64}:\d{1,10}:\d{1,10} \[(\d{1,4})\] (?:\S{1,128}:\d{1,6} )?(?:NCCL )?(INFO|WARN|TRACE|ERROR)\b/;
function ncclIn(text: string) {
  const at = text.indexOf('] ');
  return at >= 0 && NCCL_LEVEL_WORD.test(text.slice(at)) ? NCCL.exec(text) : null;
}
/** The same where what stands before it was cut off. */
const NCCL_LEVEL_WORD = /INFO|WARN|TRACE|ERROR/;
const NCCL_LEVEL = /(?:\bNCCL|\.c[cu]:\d{1,6}) (INFO|WARN|TRACE|ERROR)\b/;
/** What docker compose, an exception group and a table put before a line, and fairseq before its level; no row of a table of nvidia-smi. */
const PIPE =
  /^(?:[a-z][\w.-]{0,60} {0,40}| {1,8})[|│] (?=\S)|^\| (?=(?:INFO|WARNING|ERROR)\b|[\w /-]{2,40}\| Fail\b)/;
/** A value of an error file that spans lines: `    "message": "ValueError: …",`; SageMaker's toolkit. */
const MEMBER =
  /^(?:\s{0,40}"(?:message|msg|error|err|exception|reason|detail)"\s?: ?|ErrorMessage )"(?=\S)/;
/** Who collects the lines of another program notes them, errors as well: `[INFO ] W-9000 MODEL_LOG - ValueError: …`. */
const COLLECTED =
  /^(?!\{)[^"']{0,160}?(?: - |\] |\|\| )(?:\[[\w.-]{1,40}\] )?(?=Traceback \(most recent call last\):$| {2,8}File "|(?:[a-z_]\w{0,40}\.){0,8}[A-Z]\w{0,60}(?:Error|Exception): \S)/;
const MAY_COLLECT = /Error: |Exception: |Traceback|File "/;
/** Airflow notes under its own name what the container that it started wrote. */
const COLLECTOR = /\{(?:pod_manager|kubernetes_pod|subprocess|docker|ssh)\.py:\d{1,6}\} INFO - /;
/** So many lines below the last frame that a logger noted, the exception is noted. */
const COLLECTED_WITHIN_LINES = 20;

/**
 * Whose traceback a logger notes: a program that notes a metric or an exception that it took care of
 * (`INFO eval - MeanSquaredError: 0.03`) writes none above it.
 */
class Collectors {
  readonly #frameLine = new Map<string, number>();

  /** How much of a line is before what another program wrote; 0 where nobody else did. */
  charactersIn(text: string, number: number): number {
    const by = MAY_COLLECT.test(text) ? COLLECTED.exec(text)?.[0] : undefined;
    if (by === undefined) return 0;
    const key = by.replaceAll(/\d+/g, '');
    const isFrame = /^(?:Traceback|\s)/.test(text.slice(by.length));
    const line = this.#frameLine.get(key) ?? Number.NEGATIVE_INFINITY;
    if (isFrame) this.#frameLine.set(key, number);
    else this.#frameLine.delete(key);
    const isRaised = number - line <= COLLECTED_WITHIN_LINES || COLLECTOR.test(by);
    return isFrame || isRaised ? by.length : 0;
  }
}

/** pytest puts this before an exception. */
const PYTEST = /^E {3}(?=[\w.]{1,120}(?:Error|Exception): )/;
/** torch.distributed.checkpoint heads so what each rank raised. */
const RANK_OF_TRACEBACK = /(?<=^Traceback \(most recent call last\):) \(RANK \d{1,6}\)\s*$/;
const RANK_WITHIN = /\b(?:Rank|Culprit rank) (\d{1,6})\b/;

/** Docker's json-file and Jupyter's papermill keep each line so, behind it the stream. */
const KEPT =
  /^\{"log":"((?:[^"\\]|\\.){0,4096})","stream":"std|^\{"stream_name":"std(?:out|err)",(?:"time":[\d.]{1,20},)?"data":"((?:[^"\\]|\\.){0,4096})"/;
const SIGNS: Readonly<Record<string, string>> = { n: '', r: '', t: '\t' };
function outOfJson(text: string): string {
  const [kept, log, data] = text.startsWith('{"') ? (KEPT.exec(text) ?? []) : [];
  if (kept === undefined) return text;
  return (log ?? data ?? '').replaceAll(/\\(.)/g, (_, sign: string) => SIGNS[sign] ?? sign);
}

function lineOf(written: string, number: number, collectors: Collectors): Line {
  const raw = outOfJson(written);
  const plain = raw.includes('\u001B') ? raw.replaceAll(COLOUR, '') : raw;
  const { at, said } = stamped(plain);
  const journal = MONTH.test(said) ? JOURNAL.exec(said) : null;
  let of = journal?.groups?.['host'];
  let text = said.slice(journal?.[0].length ?? 0).replace(SERVICE, '');
  if (text.includes('run_docker')) text = text.replace(OF_CONTAINER, '');
  if (/[|│]/.test(text)) {
    text = text.replace(PIPE, (pipe, at: number, whole: string) => {
      if (namesSecret(pipe, whole.slice(at + pipe.length))) return pipe;
      of = nameIn(pipe) ?? of;
      return '';
    });
  }
  if (text.includes('"')) text = text.replace(MEMBER, '');
  const acted = /^[([]/.test(text) ? ACTOR.exec(text) : null;
  const actor = acted?.[0] ?? '';
  of = acted?.groups?.['pod'] ?? ADDRESS.exec(actor)?.[1] ?? of;
  text = text.slice(actor.length);
  if (text.startsWith('ERROR:')) text = text.replace(UVICORN, '');
  if (text.startsWith('[')) text = text.replace(TAGGED, '');
  const isBracketed = text.startsWith('[');
  const global = isBracketed ? GLOBAL_RANK.exec(text) : null;
  const local = isBracketed && !global ? LOCAL_RANK.exec(text) : null;
  text = text.slice((global ?? local)?.[0].length ?? 0);
  if (text.startsWith('E ')) text = text.replace(PYTEST, '');
  const noted = levelOf(text);
  const collected = noted === 'quiet' ? collectors.charactersIn(text, number) : 0;
  const quoted = noted === 'error' ? quotedLevelOf(text) : undefined;
  const level = collected === 0 ? (quoted ?? noted) : 'plain';
  text = text.slice(collected);
  const nccl = ncclIn(text);
  const rank =
    global?.[1] ??
    global?.[2] ??
    /\brank=(\d{1,6})\b/.exec(actor)?.[1] ??
    (text.includes('ank ') ? RANK_WITHIN.exec(text)?.[1] : undefined);
  const gpu = local?.[1] ?? nccl?.[1];
  return {
    at,
    rank: rank === undefined ? undefined : Number(rank),
    gpu: gpu === undefined ? undefined : Number(gpu),
    of,
    stream: `${actor}${(global ?? local)?.[0] ?? ''}`,
    level,
    text: withoutLogger(text),
    number,
    redrawn: false,
  };
}

function withoutLogger(text: string): string {
  const said = /^[[A-Z]/.test(text) ? text.replace(LOGGER, '') : text;
  return said.startsWith('Traceback') ? said.replace(RANK_OF_TRACEBACK, '') : said;
}

/** `: I tensorflow/`, `[2026-02-11 20:08:00,117 I 4121 4121]`: a letter behind a time. */
const LETTER = /^(?:\[?\d{4}-\d\d-\d\d[T ][\d:.,]{8,18}:? |(?=[IEF] tensorflow\/))([IEFC]) /;
/** TensorFlow and PyTorch write so as they start or try kernels out, on every machine. */
const STARTING =
  /\[c10d\] The (?:\w{1,8} socket cannot be initialized|IPv6 network addresses)|\bUnable to register cu\w+ factory\b|\bcomputation_placer\b|\bis not a failure\b|\b(?:dynamic|TensorRT) librar(?:y|ies)\b.{0,40}\blibnvinfer|\bTF-TRT\b|\b_inductor\/select_algorithm\.py:\d/;
/** PyTorch's store only warns of what keeps it from its peer; it tries IPv6 where there may be none. */
const STORE_FAILED =
  /\[c10d\] The (?!IPv6 ).{0,400}(?:\(gai error: |\(errno: (?:101|110|111|113)\b)/;

/** TensorFlow only notes that it has no library of the driver, no driver or no device (cuda_diagnostics.cc), and tells then that it cannot start CUDA. */
const NO_DRIVER =
  /'libcuda\.so\.1'; dlerror: |\bCouldn't open CUDA library libcuda\.so|\bno NVIDIA GPU device is present|\bkernel driver does not appear to be running\b/;

/** `2024-05-01 10:00:00.1 [W:onnxruntime:Default, `. */
const OF_ONNX = /^[\d\s:.,TZ-]{0,40}\[([VIWEF]):onnxruntime\b/;

/** `[2025-04-11 10:00:03.123] [error]` of spdlog, `[error    ]` of structlog, `[10:00:01 ERR]` of Serilog. */
const BRACKETED =
  /^(?:[\d\s:.,TZ/+-]|\[[^\]]{0,40}\]){0,60}?\[(?:[\d:. ]{5,30} )?(trace|debug|verbose|info|notice|warn(?:ing)?|err(?:or)?|critical|fatal|severe|vrb|dbg|inf|wrn|ftl)\s{0,8}\]/i;

/** `level=error` of logfmt, `"severity": "ERROR"` of JSON. */
const NAMED_LEVEL =
  /(?:^|[\s{,])"?(?:level|severity|levelname)"?\s?[=:]\s?"?(trace|debug|info|notice|warn(?:ing)?|error|critical|fatal|panic)\b/i;
const LEVELS_OF_ERRORS = /error|critical|fatal|panic/;

/** Of a logger's JSON, or before anything that a line says: what an error quotes is no level of its own. */
function namedLevelOf(text: string): string | undefined {
  const found = /level|severity/i.test(text) ? NAMED_LEVEL.exec(text) : null;
  if (!found || (!text.startsWith('{') && text.slice(0, found.index).includes(': '))) {
    return undefined;
  }
  return found[1]?.toLowerCase();
}

/** `libfabric:77:1700000000::efa:cq:efa_cq_open():611<warn> `: its only level for an error (src/log.c). */
const LIBFABRIC = /^libfabric:\d{1,10}:[^<]{1,160}<(warn|trace|info|debug)> /;

/** `[1784621081.896649] [host:537  :1]       srd_iface.c:221  UCX  ERROR `, however long the host's name is. */
const UCX =
  /^\[\d{1,12}\.\d{1,9}\] \[[^\]]{1,300}\] {1,20}\S{1,80}:\d{1,6} {1,4}UC[XCTPSM] {1,4}(ERROR|FATAL|WARN)\b/;

/** A row of `dcgmi diag`, whatever it warns of behind it. */
const DIAGNOSED = /^[\w /-]{2,40}\| Fail\b/;

/** The warnings module of Python, however long the path is. */
const PYTHON_WARNING = /^\S{1,400}:\d{1,6}: \w*Warning: /;

/** An exception may speak of levels: `RuntimeError: [NaN DEBUG] …`, `ValueError: Warning: …`. */
const RAISED = /^(?:[a-z_]\w{0,60}\.){0,8}[A-Z]\w{0,60}(?:Error|Exception): /;

/** One of these has each line that tells its level. */
const MAY_NAME_LEVEL =
  /ERROR|CRITICAL|FATAL|DEBUG|INFO|NOTICE|WARN|Warning: |^\[?[EFIW]\d{3,4} |^\[[CEW][ :]|\[[EIVW]\] /;

/** NCCL writes its errors as WARN and all else as INFO. */
function levelOf(text: string): Line['level'] {
  const nccl =
    ncclIn(text)?.[2] ?? (NCCL_LEVEL_WORD.test(text) ? NCCL_LEVEL.exec(text)?.[1] : undefined);
  if (nccl !== undefined) return nccl === 'INFO' || nccl === 'TRACE' ? 'quiet' : 'error';
  const libfabric = text.startsWith('libfabric:') ? LIBFABRIC.exec(text)?.[1] : undefined;
  if (libfabric !== undefined) return libfabric === 'warn' ? 'plain' : 'quiet';
  const ucx = text.startsWith('[') ? UCX.exec(text)?.[1] : undefined;
  if (ucx !== undefined) return ucx === 'WARN' ? 'warning' : 'error';
  // PyTorch only warns of it, and the process has no CUDA from there on.
  if (text.includes(' CUDA initialization: ')) return 'error';
  if (text.includes('[c10d]') && STORE_FAILED.test(text)) return 'error';
  if (NO_DRIVER.test(text)) return 'error';
  if (text.includes('| Fail') && DIAGNOSED.test(text)) return 'error';
  if (STARTING.test(text)) return 'quiet';
  if (text.includes('Warning: ') && PYTHON_WARNING.test(text)) return 'warning';
  if (/(?:Error|Exception): /.test(text) && RAISED.test(text)) return 'plain';
  const head = text.slice(0, 100);
  const bracketed =
    /^[\d\s[]/.test(head) && head.includes('[')
      ? BRACKETED.exec(head)?.[1]?.toLowerCase()
      : undefined;
  if (bracketed !== undefined) {
    if (/^(?:err|crit|fatal|sev|ftl)/.test(bracketed)) return 'error';
    return /^(?:warn|wrn)/.test(bracketed) ? 'warning' : 'quiet';
  }
  const [, behind, before] = LETTER.exec(head) ?? [];
  const onnx = head.includes(':onnx') ? OF_ONNX.exec(head)?.[1] : undefined;
  if (onnx === 'W') return 'warning';
  const letter = behind ?? before ?? onnx?.replace('V', 'I');
  if (letter !== undefined) return letter === 'I' ? 'quiet' : 'error';
  const named = namedLevelOf(text);
  if (named !== undefined)
    return named.startsWith('warn') ? 'warning' : LEVELS_OF_ERRORS.test(named) ? 'error' : 'quiet';
  if (!MAY_NAME_LEVEL.test(head)) return 'plain';
  // The last one is TensorRT's: `[03/27/2024-11:09:02] [TRT] [E] 6: `.
  if (/\b(?:ERROR|CRITICAL|FATAL)\b|^\[?[EF]\d{3,4} |^\[[CE][ :]|\] \[E\] /.test(head))
    return 'error';
  if (/\b(?:DEBUG|INFO|NOTICE)\b|^\[?I\d{3,4} |\] \[[IV]\] /.test(head)) return 'quiet';
  return /\bWARN(?:ING)?\b|^\[?W\d{3,4} |^\[W[ :]|\] \[W\] |\b\w*Warning: /.test(head)
    ? 'warning'
    : 'plain';
}

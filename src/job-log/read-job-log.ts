import type { JobLog, JobLogEntry } from '../contract/job-log.ts';
import { JOB_WENT_ON_MS } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import { collectiveWaitOf } from './collective-wait.ts';
import { type Meaning, meaningOf } from './job-texts.ts';

const ENTRIES_MAX = 12;
const RANKS_MAX = 64;
const TEXT_CHARACTERS_MAX = 300;
/** What a line means stands in its first part; whoever wrote it may have made it to be slow. */
const LINE_CHARACTERS_MAX = 4_096;
/** So many ordinary lines, over JOB_WENT_ON_MS, show that a program went on after an error. */
const WENT_ON_LINES = 40;
/** The same where the lines have no time. */
const WENT_ON_LINES_UNTIMED = 200;

/** A text as the API server sent it, and how it was asked for. */
interface FetchedLog extends Pick<JobLog, 'container' | 'previous' | 'requests' | 'bytes'> {
  /** Each line behind its RFC 3339 time where the kubelet was asked for that. */
  readonly text: string;
  readonly cut: boolean;
}

interface Occurrence {
  readonly meaning: Meaning;
  readonly at: string | undefined;
  readonly line: number;
  /** Ordinary lines before it. */
  readonly ordinary: number;
  readonly rank: number | undefined;
  readonly gpu: number | undefined;
  readonly text: string;
}

/**
 * What a container's log says of how its program ended: causes, consequences and reports in the order
 * in which they began. A cause after which the program went on is counted and left out. Pure.
 */
export function readJobLog({ text, cut, ...fetched }: FetchedLog): JobLog {
  const lines = linesOf(text);
  const { occurrences, ordinary } = occurrencesOf(lines);
  const last = lines.findLast(({ at }) => at !== undefined)?.at;
  const ending = endingOf(occurrences, { ordinary, at: last });
  const from = lines.find(({ at }) => at !== undefined)?.at;
  return {
    ...fetched,
    lines: text === '' ? 0 : lines.length,
    ...optional({ from, to: last }),
    cut,
    entries: merged(inOrder(ending)).slice(0, ENTRIES_MAX),
    recovered: occurrences
      .slice(0, occurrences.length - ending.length)
      .filter(({ meaning }) => meaning.role === 'cause').length,
    ...optional({ wait: collectiveWaitOf(lines) }),
  };
}

interface Line {
  readonly at: string | undefined;
  readonly rank: number | undefined;
  readonly gpu: number | undefined;
  /** Which process of the container wrote it, as far as the line tells. */
  readonly stream: string;
  readonly level: 'quiet' | 'warning' | 'error';
  readonly text: string;
}

/** `3: ` of srun --label, where most lines have it. */
const LABEL = /^(\d{1,6}): /;
const hasLabel = ({ text }: Line) => LABEL.test(text);

function linesOf(text: string): readonly Line[] {
  const lines = text.replace(/\n$/, '').split('\n').map(lineOf);
  if (lines.filter(hasLabel).length * 2 <= lines.length) return lines;
  return lines.map(line => {
    const [label, rank] = LABEL.exec(line.text) ?? [];
    if (label === undefined) return line;
    return { ...line, stream: label, rank: Number(rank), text: line.text.slice(label.length) };
  });
}

/** kubectl logs --timestamps. */
const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?/;
const COLOUR = /\u001B\[[0-9;?]*[A-Za-z]/g;
/** `[rank3]:` of torch, `[1,3]<stderr>:` of mpirun: global ranks. */
const GLOBAL_RANK = /^(?:\[rank(\d{1,6})\]:? ?|\[\d+,(\d{1,6})\]<std(?:out|err)>: ?)/;
/** `[default3]:` of torchrun: the rank within the node. */
const LOCAL_RANK = /^\[[a-z_]*?(\d{1,3})\]: ?/;
/** `(RayTrainWorker pid=8, ip=10.0.0.3)`, `(VllmWorker rank=1 pid=8)`. */
const ACTOR = /^\(([A-Za-z]\w*[^()\n]{0,80})\) ?/;
/** `ERROR 11-27 12:00:00 [core.py:390]`, `E0810 15:46:05.718597139 ProcessGroupNCCL.cpp:632]`. */
const LOGGER =
  /^\[?(?:(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)\b|[IWEF]\d{3,4} )[^\]\n]{0,120}\] ?/;
/** `host:pid:tid [gpu] NCCL`; releases before 2.4 leave the name out. */
const NCCL =
  /\b[\w.-]{1,64}:\d{1,10}:\d{1,10} \[(\d{1,4})\] (?:\S{1,128}:\d{1,6} )?(?:NCCL )?(INFO|WARN|TRACE|ERROR)\b/;
/** The same where what stands before it was cut off. */
const NCCL_LEVEL = /\bNCCL (INFO|WARN|TRACE|ERROR)\b/;
const RANK_WITHIN = /\b(?:Rank|Culprit rank) (\d{1,6})\b/;

function lineOf(raw: string): Line {
  const plain = raw.slice(0, LINE_CHARACTERS_MAX).replaceAll(COLOUR, '').replace(/\r$/, '');
  const at = STAMP.exec(plain)?.[1];
  let text = plain.replace(STAMP, '');
  const [actor = ''] = ACTOR.exec(text) ?? [];
  text = text.slice(actor.length);
  const global = GLOBAL_RANK.exec(text);
  const local = global ? null : LOCAL_RANK.exec(text);
  text = text.slice((global ?? local)?.[0].length ?? 0);
  const level = levelOf(text);
  const nccl = NCCL.exec(text);
  const rank =
    global?.[1] ??
    global?.[2] ??
    /\brank=(\d{1,6})\b/.exec(actor)?.[1] ??
    RANK_WITHIN.exec(text)?.[1];
  const gpu = local?.[1] ?? nccl?.[1];
  return {
    at,
    rank: rank === undefined ? undefined : Number(rank),
    gpu: gpu === undefined ? undefined : Number(gpu),
    stream: `${actor}${(global ?? local)?.[0] ?? ''}`,
    level,
    text: text.replace(LOGGER, ''),
  };
}

/** NCCL writes its errors as WARN and all else as INFO. */
function levelOf(text: string): Line['level'] {
  const nccl = NCCL.exec(text)?.[2] ?? NCCL_LEVEL.exec(text)?.[1];
  if (nccl !== undefined) return nccl === 'INFO' || nccl === 'TRACE' ? 'quiet' : 'error';
  // PyTorch only warns of it, and the process has no CUDA from there on.
  if (text.includes(' CUDA initialization: ')) return 'error';
  const head = text.slice(0, 100);
  if (/\b(?:ERROR|CRITICAL|FATAL)\b|^\[?E\d{3,4} /.test(head)) return 'error';
  if (/\b(?:DEBUG|INFO|NOTICE)\b|^\[?I\d{3,4} /.test(head)) return 'quiet';
  return /\bWARN(?:ING)?\b|^\[?W\d{3,4} |\b\w*Warning: /.test(head) ? 'warning' : 'error';
}

/** What a line without one of these words says is no failure. */
const MAY_FAIL =
  /error|exception|fail|fatal|abort|kill|signal|sigterm|watchdog|timeout|timed out|\bnan\b|\binf\b|non-finite|refused|reset|closed|pipe|denied|space|cannot|can't|couldn't|could not|oom|memory|dead|died|lost|segmentation|assert|exited|exits|return code|unable|invalid|no such|not found|no cuda|no devices|unavailable|mismatch|heartbeat|missing comm|xid|fallen|cancelled|interrupt|preempt|notice|limit|processes|larger than|dump|already in use|illegal|duplicate|nonexistent|unreachable|nccl warn|taking the entire|barrier|marked/i;
const TRACEBACK = 'Traceback (most recent call last):';
/** Within a traceback or a C++ stack: code and frames, not what happened. */
const FRAME = /^(?:\s|[│╭╰]|frame #|Exception raised from|\+ ?-|\| )/;
const WHAT = /^\s+what\(\):\s*/;
/** What a traceback ends with: the class of the exception, whatever its name. */
const RAISED = /^(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)(?::(?: |$)|$)/;
const EXCEPTION =
  /^(?:[A-Za-z_]\w*\.)*([A-Z]\w*(?:Error|Exception|Interrupt|Exit|Failure|Timeout))(?:: |:?$)/;

function occurrencesOf(lines: readonly Line[]) {
  const occurrences: Occurrence[] = [];
  const inTraceback = new Set<string>();
  let ordinary = 0;
  lines.forEach((line, index) => {
    const { stream, text, at, rank, gpu } = line;
    if (text.endsWith(TRACEBACK)) {
      inTraceback.add(stream);
      return;
    }
    const isFrame = FRAME.test(text) && !WHAT.test(text);
    if (isFrame && inTraceback.has(stream)) return;
    const endsTraceback = inTraceback.delete(stream);
    const meaning = meaningOfLine(line, endsTraceback);
    if (!meaning) {
      if (!isFrame && text.trim() !== '') ordinary += 1;
      return;
    }
    const report =
      meaning.id === 'launcher-report'
        ? reportOf(lines, index)
        : RAS.test(meaning.id)
          ? placeOf(lines, index)
          : undefined;
    occurrences.push({
      meaning,
      at,
      line: index + 1,
      ordinary,
      rank: report?.rank ?? rank,
      gpu: report?.gpu ?? gpu,
      text: plainText(report?.text ?? text.replace(WHAT, ''), TEXT_CHARACTERS_MAX),
    });
  });
  return { occurrences, ordinary };
}

function meaningOfLine({ level, text }: Line, endsTraceback: boolean): Meaning | undefined {
  const said = text.replace(WHAT, '');
  const exception = (endsTraceback ? RAISED : EXCEPTION).exec(said);
  if (!exception && !MAY_FAIL.test(said)) return undefined;
  const found = meaningOf(said, exception?.[1]);
  // Libraries warn of much that ends nothing; a warning can tell of what others did.
  if (level === 'quiet' && !(found?.role === 'report')) return undefined;
  if (level === 'warning' && (!found || found.role === 'cause')) return undefined;
  if (found) return found;
  if (!exception || (level !== 'error' && !endsTraceback)) return undefined;
  return {
    id: 'exception',
    role: 'cause',
    layer: 'application',
    action: 'restart_app',
    title: `Exception ${plainText(exception[1] ?? '', 60)}`,
    advice: 'A fault of the program, its input or its settings: see the traceback in its log.',
  };
}

/** NCCL's RAS names processes in the lines below: `Process 9 on node 10.0.4.3 managing GPU 2 (NVML 6)`. */
const RAS = /^ras-/;

function placeOf(lines: readonly Line[], index: number) {
  const [said = '', next = ''] = lines.slice(index, index + 2).map(({ text }) => text.trim());
  const names = /^(?:Process \d|The missing|Rank \d)/.test(next);
  const text = names ? `${said}: ${next}` : said;
  const gpu = /\bmanaging GPU (\d{1,4})(?! *,)\b/.exec(text)?.[1];
  return { rank: undefined, gpu: gpu === undefined ? undefined : Number(gpu), text };
}

/** What torchrun's report and its error lines say of the process that ended first. */
function reportOf(lines: readonly Line[], index: number) {
  const text = lines[index]?.text ?? '';
  const failed = /exitcode: (-?\d+)\)(?: local_rank: (\d+))?/.exec(text);
  if (failed) {
    return {
      rank: undefined,
      gpu: failed[2] === undefined ? undefined : Number(failed[2]),
      text,
    };
  }
  if (!/root cause \(first observed failure\)/i.test(text)) return undefined;
  const block = lines.slice(index + 1, index + 9).map(line => line.text);
  const value = (key: string) =>
    block.flatMap(line => new RegExp(`^\\s*${key}\\s*: (\\S.*)$`).exec(line)?.[1] ?? [])[0];
  const rank = /^(\d+)(?: \(local_rank: (\d+)\))?/.exec(value('rank') ?? '');
  return {
    rank: rank?.[1] === undefined ? undefined : Number(rank[1]),
    gpu: rank?.[2] === undefined ? undefined : Number(rank[2]),
    text: `first observed failure: rank ${value('rank') ?? '?'}, host ${value('host') ?? '?'}, exit code ${value('exitcode') ?? '?'}`,
  };
}

/** The occurrences that belong to the end of the run: none where the program went on after the last. */
function endingOf(
  occurrences: readonly Occurrence[],
  end: { readonly ordinary: number; readonly at: string | undefined },
): readonly Occurrence[] {
  let after = end;
  for (let index = occurrences.length - 1; index >= 0; index -= 1) {
    const one = occurrences[index];
    if (!one || wentOn(one, after)) return occurrences.slice(index + 1);
    after = one;
  }
  return occurrences;
}

function wentOn(
  before: Pick<Occurrence, 'ordinary' | 'at'>,
  after: Pick<Occurrence, 'ordinary' | 'at'>,
): boolean {
  const lines = after.ordinary - before.ordinary;
  if (before.at === undefined || after.at === undefined) return lines > WENT_ON_LINES_UNTIMED;
  return lines > WENT_ON_LINES && Date.parse(after.at) - Date.parse(before.at) > JOB_WENT_ON_MS;
}

/** What a process says after its peers have gone, and what it may also say by itself. */
const FOLLOWS =
  /^(?:exception|crash|library|dataloader|killed|unreachable|cuda-(?:3|7\d\d|999|unknown))$/;

/** PyTorch's exception around an error of NCCL: the reason stands behind its `Last error:`. */
const PASSES_ON = /\bNCCL error in: |^nccl(?:Unhandled\w+|InvalidUsage|InternalError): /;
const REASON_WITHIN_LINES = 10;

/**
 * A cause that comes after a consequence is mostly one itself: the end of a program is noisy. What
 * passes on an error of NCCL gives way to the reason behind it.
 */
function inOrder(occurrences: readonly Occurrence[]): readonly Occurrence[] {
  const first = occurrences.findIndex(({ meaning }) => meaning.role === 'consequence');
  return occurrences.map((one, index) => {
    if (one.meaning.role !== 'cause') return one;
    const follows = first >= 0 && index > first && FOLLOWS.test(one.meaning.id);
    if (follows) return { ...one, meaning: { ...one.meaning, role: 'consequence' } };
    const hasReason = occurrences
      .slice(index + 1, index + 1 + REASON_WITHIN_LINES)
      .some(
        ({ meaning, line, text }) =>
          meaning.role === 'cause' &&
          line - one.line <= REASON_WITHIN_LINES &&
          !PASSES_ON.test(text),
      );
    return PASSES_ON.test(one.text) && hasReason
      ? { ...one, meaning: { ...one.meaning, role: 'report' } }
      : one;
  });
}

/** Equal ones as one entry, at the place of the first. */
function merged(occurrences: readonly Occurrence[]): JobLogEntry[] {
  const groups = Map.groupBy(
    occurrences,
    ({ meaning: { id, role, title } }) => `${id} ${role} ${title}`,
  );
  return [...groups.values()].flatMap(group => {
    const [first] = group;
    if (!first) return [];
    const { id, title, role, layer, action, advice } = first.meaning;
    const ranks = [...new Set(group.flatMap(({ rank }) => rank ?? []))].toSorted((a, b) => a - b);
    return {
      ...{ id, title, role, layer, action, advice },
      ...optional({ at: first.at }),
      line: first.line,
      count: group.length,
      // The first to say it stands first.
      ranks: [
        ...(first.rank === undefined ? [] : [first.rank]),
        ...ranks.filter(rank => rank !== first.rank),
      ].slice(0, RANKS_MAX),
      ...optional({ gpu: first.gpu }),
      text: first.text,
    };
  });
}

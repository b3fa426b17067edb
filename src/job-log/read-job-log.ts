import type { JobLog, JobLogEntry } from '../contract/job-log.ts';
import { JOB_WENT_ON_MS } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import { collectiveWaitOf } from './collective-wait.ts';
import { type Meaning, meaningOf } from './job-texts.ts';
import { type Line, linesOf } from './log-lines.ts';

const ENTRIES_MAX = 12;
const RANKS_MAX = 64;
const TEXT_CHARACTERS_MAX = 300;
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
  /** The same for exceptions of which one was raised from the other. */
  readonly chain?: number | undefined;
  readonly lastResort?: true;
}

/**
 * What a container's log says of how its program ended: causes, consequences and reports in the order
 * in which they began. A cause after which the program went on is counted and left out. Pure.
 */
export function readJobLog({ text, cut, ...fetched }: FetchedLog): JobLog {
  const lines = linesOf(text);
  const { occurrences, failures, ordinary } = occurrencesOf(lines);
  const last = lines.findLast(({ at }) => at !== undefined)?.at;
  const end = { ordinary, at: last };
  const ending = endingOf(occurrences, end);
  const ordered = inOrder(ending);
  const from = lines.find(({ at }) => at !== undefined)?.at;
  return {
    ...fetched,
    lines: text === '' ? 0 : lines.length,
    ...optional({ from, to: last }),
    cut,
    entries: merged(withCause(ordered, endingOf(failures, end))).slice(0, ENTRIES_MAX),
    recovered: occurrences
      .slice(0, occurrences.length - ending.length)
      .filter(({ meaning }) => meaning.role === 'cause').length,
    ...optional({ wait: collectiveWaitOf(lines) }),
  };
}

/** What a line without one of these words says is no failure. */
const MAY_FAIL =
  /error|exception|fail|fatal|abort|kill|signal|sigterm|watchdog|timeout|timed out|\bnan\b|\binf\b|non-finite|refused|reset|closed|pipe|denied|space|cannot|can't|couldn't|could not|oom|memory|dead|died|lost|segmentation|assert|exited|exits|return code|unable|invalid|no such|not found|no cuda|no devices|unavailable|mismatch|heartbeat|inbound|missing comm|compatib|not exist|compiled with|evict|drain|low on|not enough|not have|has not been|does not|usage|xid|segfault|panic|bad_alloc|general protection|fallen|cancelled|interrupt|preempt|notice|limit|processes|larger than|dump|already in use|illegal|duplicate|nonexistent|unreachable|nccl warn|taking the entire|barrier|marked/i;
const TRACEBACK = 'Traceback (most recent call last):';
/** Within a traceback or a C++ stack: code and frames, not what happened. */
const FRAME = /^(?:\s|[│╭╰]|frame #|Exception raised from|\+ ?-|\| )/;
/** Code of a traceback whose head was cut off: the exception itself comes below. */
const RAISE = /^\s+raise \w/;
const WHAT = /^\s+what\(\):\s*/;
/** What a traceback ends with: the class of the exception, whatever its name. */
const RAISED = /^(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)(?::(?: |$)|$)/;
const EXCEPTION =
  /^(?:[A-Za-z_]\w*\.)*([A-Z]\w*(?:Error|Exception|Interrupt|Exit|Failure|Timeout))(?:: |:?$)/;

/** What Python puts between two tracebacks of which the second came of the first. */
const CHAINED =
  /^(?:During handling of the above exception, another exception occurred|The above exception was the direct cause of the following exception)/;

/** An object could not be taken down; Python prints the traceback and goes on. */
const IGNORED = /^Exception ignored in/;

/** Lines with a meaning, lines that only look like a failure, and how many other lines there are. */
function occurrencesOf(lines: readonly Line[]) {
  const occurrences: Occurrence[] = [];
  const failures: Occurrence[] = [];
  const inTraceback = new Set<string>();
  const chained = new Set<string>();
  const ignored = new Set<string>();
  let chain = 0;
  let ordinary = 0;
  lines.forEach((line, index) => {
    const { stream, text, at, rank, gpu } = line;
    if (text.endsWith(TRACEBACK)) {
      inTraceback.add(stream);
      return;
    }
    const isFrame = FRAME.test(text) && !WHAT.test(text);
    if (isFrame && (inTraceback.has(stream) || RAISE.test(text))) return;
    if (CHAINED.test(text)) {
      chained.add(stream);
      return;
    }
    const endsTraceback = inTraceback.delete(stream);
    if (endsTraceback && !chained.delete(stream)) chain += 1;
    if (IGNORED.test(text)) ignored.add(stream);
    else if (endsTraceback && ignored.delete(stream)) return;
    const meaning = meaningOfLine(line, endsTraceback);
    const isChained = endsTraceback || (meaning !== undefined && chained.delete(stream));
    const place = { at, line: index + 1, ordinary, rank, gpu };
    if (!meaning) {
      if (!isFrame && looksFailed(line)) {
        failures.push({
          ...{ ...place, meaning: FIRST_ERROR, lastResort: true },
          text: plainText(text.replace(WHAT, ''), TEXT_CHARACTERS_MAX),
        });
      }
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
      ...{ ...place, meaning, chain: isChained ? chain : undefined },
      rank: report?.rank ?? rank,
      gpu: report?.gpu ?? gpu,
      text: plainText(report?.text ?? text.replace(WHAT, ''), TEXT_CHARACTERS_MAX),
    });
  });
  return { occurrences, failures, ordinary };
}

const FIRST_ERROR: Meaning = {
  ...{ id: 'first-error', role: 'cause', layer: 'unknown', action: 'watch' },
  title: 'First error of the log; not a text that is known',
  advice: 'Read its log from this line on: the program says no more that is known.',
};
/** `error: `, `srun: error: `, `fatal: `, `  what():  `. */
const FAILED_FORM =
  /^(?:[\w./-]{1,64}: ){0,2}(?:fatal )?(?:error|fatal)(?: in \w+[^:]{0,40})?: |^\s+what\(\):/i;
/** What is written as an error and ends nothing, or comes of the end. */
const HARMLESS =
  /\bretry|pip's dependency resolver|deprecat|will be removed|ignor|fall(?:ing)? ?back|leaked|shut(?:ting)? ?down|graceful|at ?exit|clean ?up|destroy|no error|without error|non-?fatal|not an error|^\W*$|\b0 errors?\b|errors?\s*[:=]\s*0\b/i;

/** Whether it is an error by its form, whatever it says. */
function looksFailed({ level, text }: Line): boolean {
  const isError = level === 'error' || (level === 'plain' && FAILED_FORM.test(text));
  return isError && MAY_FAIL.test(text) && !HARMLESS.test(text);
}

/**
 * Where no line can have begun the failure: what failed on the network first, if nothing else has
 * failed before, else the first error by its form before anything that is known.
 */
function withCause(
  known: readonly Occurrence[],
  failures: readonly Occurrence[],
): readonly Occurrence[] {
  if (known.some(({ meaning }) => meaning.role === 'cause')) return known;
  const first = known.find(({ meaning }) => meaning.role === 'consequence');
  if (first?.meaning.layer === 'fabric') {
    return known.map(one =>
      one.meaning.id === first.meaning.id
        ? { ...one, meaning: { ...one.meaning, role: 'cause' }, lastResort: true }
        : one,
    );
  }
  const [failed] = failures;
  return failed && failed.line < (known[0]?.line ?? Number.POSITIVE_INFINITY)
    ? [failed, ...known]
    : known;
}

/** What is tried again has ended nothing yet. */
const RETRIES = /\bretrying\b|\bwill retry\b|\bretry loop\b/i;

function meaningOfLine({ level, text }: Line, endsTraceback: boolean): Meaning | undefined {
  const said = text.replace(WHAT, '');
  const exception = (endsTraceback ? RAISED : EXCEPTION).exec(said);
  if (!exception && !MAY_FAIL.test(said)) return undefined;
  const found = meaningOf(said, exception?.[1]);
  // Libraries warn of much that ends nothing; a warning can tell of what others did.
  if (level === 'quiet' && !(found?.role === 'report')) return undefined;
  const mayPass = found?.role === 'cause' || found?.layer === 'fabric';
  if (level === 'warning' && (!found || mayPass)) return undefined;
  if (found?.layer === 'fabric' && RETRIES.test(said)) return undefined;
  if (found) return found;
  if (!exception) return undefined;
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

/** `[Fri Aug  9 13:32:56 2024] ` of dmesg -T: a kernel log tells of many runs. */
const KERNEL_TIME = /^\[([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})\] /;
const DAY_MS = 86_400_000;
const kernelMs = ({ text = '' }: Partial<Occurrence>): number =>
  Date.parse(`${KERNEL_TIME.exec(text)?.[1]} UTC`);

type Moment = Pick<Occurrence, 'ordinary' | 'at'> & Partial<Occurrence>;

function wentOn(before: Moment, after: Moment): boolean {
  if (kernelMs(after) - kernelMs(before) > DAY_MS) return true;
  const lines = after.ordinary - before.ordinary;
  if (before.at === undefined || after.at === undefined) return lines > WENT_ON_LINES_UNTIMED;
  return lines > WENT_ON_LINES && Date.parse(after.at) - Date.parse(before.at) > JOB_WENT_ON_MS;
}

/** What a process says after its peers have gone, and what it may also say by itself. */
const FOLLOWS =
  /^(?:exception|crash|library|dataloader|killed|unreachable|cuda-(?:3|7\d\d|999|unknown))$/;

/** PyTorch's exception around an error of NCCL or of another thread: the reason stands behind it. */
const PASSES_ON =
  /\bNCCL error in: |^nccl(?:Unhandled\w+|InvalidUsage|InternalError): |: Caught \w+ in /;
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
        ({ meaning, ordinary, text }) =>
          (meaning.role === 'cause' || meaning.id === 'peer-closed') &&
          ordinary - one.ordinary <= REASON_WITHIN_LINES &&
          !PASSES_ON.test(text),
      );
    const passesOn = PASSES_ON.test(one.text) || one.meaning.id === 'container-start';
    return (passesOn && hasReason) || isOutspoken(one, occurrences)
      ? { ...one, meaning: { ...one.meaning, role: 'report' } }
      : one;
  });
}

/** An exception of the program after which one of the same chain has a text that is known. */
const isOutspoken = ({ meaning, chain, line }: Occurrence, all: readonly Occurrence[]): boolean =>
  meaning.id === 'exception' &&
  chain !== undefined &&
  all.some(
    one =>
      one.chain === chain &&
      one.line > line &&
      one.meaning.role === 'cause' &&
      one.meaning.id !== 'exception',
  );

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
      ...optional({ at: first.at, lastResort: first.lastResort }),
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

import type { JobLog, JobLogEntry } from '../contract/job-log.ts';
import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import { collectiveWaitOf } from './collective-wait.ts';
import {
  causesOf,
  endingOf,
  FAILED_FORM,
  FIRST_ERROR,
  inOrder,
  type Occurrence,
  withCause,
  withoutWeak,
} from './ending.ts';
import { isHarmless, isTriedAgain, tellsOfNone, weaknessOf } from './harmless-lines.ts';
import { type Meaning, meaningOf } from './job-texts.ts';
import { type Line, linesOf } from './log-lines.ts';
import { rankDevicesOf } from './rank-devices.ts';

const ENTRIES_MAX = 12;
const RANKS_MAX = 64;
const TEXT_CHARACTERS_MAX = 300;

/** A text as the API server sent it, and how it was asked for. */
interface FetchedLog extends Pick<JobLog, 'container' | 'previous' | 'requests' | 'bytes'> {
  /** Each line behind its RFC 3339 time where the kubelet was asked for that. */
  readonly text: string;
  readonly cut: boolean;
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
  const ordered = withoutWeak(inOrder(ending), end);
  const from = lines.find(({ at }) => at !== undefined)?.at;
  return {
    ...fetched,
    lines: text === '' ? 0 : lines.length,
    ...optional({ from, to: last }),
    cut,
    entries: merged(withCause(ordered, endingOf(failures, end))).slice(0, ENTRIES_MAX),
    recovered: causesOf(occurrences) - causesOf(ending),
    ...optional({ wait: collectiveWaitOf(lines), devices: rankDevicesOf(lines) }),
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
    const said = text.replace(WHAT, '');
    const exception = (endsTraceback ? RAISED : EXCEPTION).exec(said)?.[1];
    const below = () => lines.slice(index + 1, index + 3).map(next => next.text);
    const meaning = meaningOfLine({ ...line, text: said }, exception, below);
    const isChained = endsTraceback || (meaning !== undefined && chained.delete(stream));
    const place = { at, line: index + 1, ordinary, rank, gpu };
    if (!meaning) {
      if (!isFrame && looksFailed(line) && !isTriedAgain(text, below())) {
        failures.push({
          ...{ ...place, meaning: FIRST_ERROR, lastResort: true },
          text: plainText(said, TEXT_CHARACTERS_MAX),
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
      weak: exception === undefined ? weaknessOf(meaning.id, said) : undefined,
      text: plainText(report?.text ?? said, TEXT_CHARACTERS_MAX),
    });
  });
  return { occurrences, failures, ordinary };
}

/** Whether it is an error by its form, whatever it says. */
function looksFailed({ level, text }: Line): boolean {
  const isError = level === 'error' || (level === 'plain' && FAILED_FORM.test(text));
  return isError && MAY_FAIL.test(text) && !isHarmless(text);
}

function meaningOfLine(
  { level, text }: Line,
  exception: string | undefined,
  below: () => readonly string[],
): Meaning | undefined {
  if (exception === undefined && !MAY_FAIL.test(text)) return undefined;
  const found = meaningOf(text, exception);
  // Libraries warn of much that ends nothing; a warning can tell of what others did.
  if (level === 'quiet' && !(found?.role === 'report')) return undefined;
  const mayPass = found?.role === 'cause' || found?.layer === 'fabric';
  if (level === 'warning' && (!found || mayPass)) return undefined;
  if (found) return tellsOfNone(found.id, found.layer, text, below()) ? undefined : found;
  if (exception === undefined) return undefined;
  return {
    id: 'exception',
    role: 'cause',
    layer: 'application',
    action: 'restart_app',
    title: `Exception ${plainText(exception, 60)}`,
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

/** Equal ones as one entry, at the place of the first. */
function merged(occurrences: readonly Occurrence[]): JobLogEntry[] {
  const groups = Map.groupBy(
    occurrences,
    ({ meaning: { id, role, title }, lastResort = '' }) => `${id} ${role} ${lastResort} ${title}`,
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

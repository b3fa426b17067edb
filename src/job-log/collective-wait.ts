import type { CollectiveWait } from '../contract/job-log.ts';
import { optional } from '../contract/optional.ts';
import type { Line } from './log-lines.ts';

const RANKS_MAX = 64;

/**
 * Whom the ranks of a job waited for, by whoever says it best: PyTorch's flight recorder has the dumps of
 * all ranks; NCCL's RAS asked them; the watchdog knows its own, and what others told before they ended.
 */
export function collectiveWaitOf(lines: readonly Line[]): CollectiveWait | undefined {
  const told = [flightRecorder(lines), unanswered(lines), watchdog(lines), standstill(lines)];
  const waits = told.filter(wait => wait !== undefined);
  return waits.find(({ behind }) => behind.length > 0) ?? waits[0];
}

const sorted = (ranks: Iterable<number>): number[] =>
  [...new Set(ranks)].toSorted((a, b) => a - b).slice(0, RANKS_MAX);

const numbersIn = (text: string): readonly number[] => (text.match(/\d{1,6}/g) ?? []).map(Number);

/** ProcessGroupNCCL.cpp of PyTorch: checkTimeout, and the status of the process group. */
const TIMED_OUT =
  /\bRank (\d{1,6})\].{0,160}Watchdog caught collective operation timeout: WorkNCCL\(SeqNum=(\d{1,15}), OpType=(\w{1,64}),.{0,160}Timeout\(ms\)=(\d{1,12})\)/;
const STATUS = /\bRank (\d{1,6})\].{0,240}[Ll]ast enqueued (?:NCCL )?work: (-?\d{1,15})/;
/** torchrun: torch/distributed/elastic/multiprocessing/api.py. */
const ENDED_BY_LAUNCHER = /\bSending process \d{1,10} closing signal SIG[A-Z]{2,6}/;

/** Ranks that the watchdog ended within one operation, and those that kept them waiting. */
function watchdog(lines: readonly Line[]): CollectiveWait | undefined {
  const waits = lines.flatMap(({ text }) => {
    const [, rank, sequence, operation = '', timeoutMs] = TIMED_OUT.exec(text) ?? [];
    return rank === undefined
      ? []
      : {
          operation,
          rank: Number(rank),
          sequence: Number(sequence),
          timeoutMs: Number(timeoutMs),
        };
  });
  const sequence = Math.min(...waits.map(wait => wait.sequence));
  const first = waits.find(wait => wait.sequence === sequence);
  if (!first) return undefined;
  const waiting = new Set(waits.map(({ rank }) => rank));
  const enqueued = lines.flatMap(({ text }) => {
    const [, rank, work] = STATUS.exec(text) ?? [];
    return rank === undefined ? [] : { rank: Number(rank), work: Number(work) };
  });
  const most = Math.max(...enqueued.map(({ work }) => work));
  const late = enqueued.filter(({ work }) => work < most).map(({ rank }) => rank);
  const silent = [...new Set(lines.flatMap(({ rank }) => rank ?? []))].filter(
    rank => !waiting.has(rank) && !enqueued.some(one => one.rank === rank),
  );
  // A rank that its launcher ends meanwhile does not get to say that it waited.
  const lastWait = lines.findLastIndex(({ text }) => TIMED_OUT.test(text));
  const areEnded = lines.slice(0, lastWait).some(({ text }) => ENDED_BY_LAUNCHER.test(text));
  const isTelling = silent.length < waiting.size && !areEnded;
  const behind = late.length > 0 ? late : isTelling ? silent : [];
  return {
    operation: first.operation,
    sequence,
    timeoutMs: first.timeoutMs,
    waiting: sorted(waiting),
    behind: sorted(behind),
  };
}

/** torch/distributed/flight_recorder/components/utils.py, error_analysis; older ones name the entry as well. */
const NOT_ALL = /^Not all ranks joining collective(?:, sequence number:)? (\d{1,15})\b/;
/** EntryState.log of types.py: so many lines, before the stack. */
const BLOCK_LINES = 9;

/** The first collective that a rank did not join, as torchfrtrace prints it. Ranks are those of the job. */
function flightRecorder(lines: readonly Line[]): CollectiveWait | undefined {
  for (const [index, { text }] of lines.entries()) {
    const sequence = NOT_ALL.exec(text)?.[1];
    if (sequence === undefined) continue;
    const block = lines.slice(index + 1, index + 1 + BLOCK_LINES);
    const value = (key: string) =>
      block.find(line => line.text.startsWith(`${key}: `))?.text.slice(key.length + 2);
    const behind = numbersIn(value('missing ranks') ?? '');
    // Older ones print how many they are.
    const expected = value('expected ranks') ?? '';
    const ranks = expected.startsWith('{') ? numbersIn(expected) : [];
    return {
      by: 'flight_recorder',
      ...optional({ operation: /^\w{1,16}:(\w{1,64})/.exec(value('collective') ?? '')?.[1] }),
      sequence: Number(sequence),
      waiting: sorted(ranks.filter(rank => !behind.includes(rank))),
      behind: sorted(behind),
    };
  }
  return undefined;
}

/**
 * NCCL's RAS as text (src/ras/client_support.cc, and troubleshooting/ras.rst for what is read from it).
 * A rank there is one of its communicator: those of the only one that is widest are the job's.
 */
const HEADER = /^\s*Group +Comms +Nodes +Ranks +Ranks +Ranks +Status +Errors/;
/** Group, communicators in it, nodes and ranks of each: `0  1  4  7-8  32  32  RUNNING  OK`. */
const GROUP =
  /^ *(\d{1,6}) +(\d{1,6}) +\d{1,6} +\d{1,6}(?:-\d{1,6})? +(\d{1,7}) +\d{1,7} +[A-Z]+(?:,[A-Z]+)* +[A-Z]+(?:,[A-Z]+)*\s*$/;
const COMMUNICATOR = /^\s*#(\d{1,6})-\d{1,6} \(([0-9a-f]{1,16})\) (\w+)/;
const MISSING = /^\s*The missing ranks?: ([\d, ]{1,400})$/;
const MEMBER = /^\s*Rank (\d{1,6}) (?:-- |has )/;
const DIFFERENT = /^\s*Communicator ranks have different (\w{1,32}) operation counts/;
/** Of several ranks or of one; those of several follow, where they are few. */
const LAUNCHED =
  /^\s*(?:Rank \d{1,6} has|\d{1,7} ranks have) (?:launched up to operation (\d{1,15})|not launched any operation)/;

interface Answer {
  /** Ranks of which nobody answered. */
  readonly missing: number[];
  /** Operations that ranks have launched, by communicator and kind of operation. */
  readonly launched: Map<string, { readonly counts: Map<number, number>; most: number }>;
}

/** What each asking of RAS said of the job's ranks, oldest first. */
function answersOf(lines: readonly Line[]): readonly Answer[] {
  if (!lines.some(({ text }) => text.includes('Comms'))) return [];
  const answers: Answer[] = [];
  let widest = { group: '', ranks: 0 };
  let place = { isJobs: false, kind: '', hash: '', operation: '', count: 0 };
  for (const { text } of lines) {
    if (HEADER.test(text)) {
      answers.push({ missing: [], launched: new Map() });
      widest = { group: '', ranks: 0 };
      place = { ...place, isJobs: false };
      continue;
    }
    const answer = answers.at(-1);
    if (!answer) continue;
    const [, group, communicators, ranks] = GROUP.exec(text) ?? [];
    if (group !== undefined && Number(ranks) >= widest.ranks) {
      // Of several that are as wide none is the job's.
      const isOnly = communicators === '1' && Number(ranks) > widest.ranks;
      widest = { group: isOnly ? group : '', ranks: Number(ranks) };
      continue;
    }
    const [, of, hash = '', kind = ''] = COMMUNICATOR.exec(text) ?? [];
    if (of !== undefined) place = { ...place, isJobs: of === widest.group, hash, kind };
    if (place.isJobs) place = memberOf(answer, place, text);
  }
  return answers;
}

function memberOf<Place extends { kind: string; hash: string; operation: string; count: number }>(
  { missing, launched }: Answer,
  place: Place,
  text: string,
): Place {
  const member = MEMBER.exec(text)?.[1];
  if (place.kind === 'INCOMPLETE') {
    missing.push(...numbersIn(MISSING.exec(text)?.[1] ?? member ?? ''));
    return place;
  }
  const operation = DIFFERENT.exec(text)?.[1];
  if (operation !== undefined) return { ...place, operation };
  const found = LAUNCHED.exec(text);
  const count = found ? Number(found[1] ?? 0) : place.count;
  if (place.operation === '' || (!found && member === undefined)) return place;
  const key = `${place.hash} ${place.operation}`;
  const { counts, most } = launched.get(key) ?? { counts: new Map<number, number>(), most: 0 };
  if (member !== undefined) counts.set(Number(member), count);
  launched.set(key, { counts, most: Math.max(most, count) });
  return { ...place, count };
}

/** Ranks of which RAS got no answer when it was last asked. */
function unanswered(lines: readonly Line[]): CollectiveWait | undefined {
  const behind = [...(answersOf(lines).at(-1)?.missing ?? []), ...missingInJson(lines)];
  return behind.length === 0 ? undefined : { by: 'ras', waiting: [], behind: sorted(behind) };
}

/**
 * Ranks that have launched less than others and nothing since the answer before: in one answer that is
 * how any job looks that is at work (troubleshooting/ras.rst).
 */
function standstill(lines: readonly Line[]): CollectiveWait | undefined {
  const [before, now] = answersOf(lines).slice(-2);
  if (!before || !now) return undefined;
  for (const [key, { counts, most }] of now.launched) {
    const earlier = before.launched.get(key);
    const behind = [...counts].filter(
      ([rank, count]) => count < most && earlier?.counts.get(rank) === count,
    );
    if (behind.length === 0) continue;
    const operation = key.split(' ')[1] ?? '';
    return { by: 'ras', operation, waiting: [], behind: sorted(behind.map(([rank]) => rank)) };
  }
  return undefined;
}

/** The same as `ncclras -f json` prints it: one line a value. */
function missingInJson(lines: readonly Line[]): readonly number[] {
  const found: { size: number; rank: number }[] = [];
  const sizes: number[] = [];
  let isMissing = false;
  for (const { text } of lines) {
    if (!text.includes('"')) continue;
    const [, key, value] = /^\s*"(size|rank|ranks|missing_ranks)": (\d{1,7}|\[)/.exec(text) ?? [];
    if (key === 'size') sizes.push(Number(value));
    if (key === 'ranks' || key === 'missing_ranks') isMissing = key === 'missing_ranks';
    if (key === 'rank' && isMissing) found.push({ size: sizes.at(-1) ?? 0, rank: Number(value) });
  }
  const most = Math.max(...sizes);
  if (sizes.filter(size => size === most).length > 1) return [];
  return found.filter(({ size }) => size === most).map(({ rank }) => rank);
}

/**
 * ProcessGroupNCCL.cpp of PyTorch, checkTimeout: `[PG ID 0 PG GUID 0(default_pg) Rank 3] Watchdog caught collective
 * operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, NumelIn=1, …`; older releases name no group.
 */
const CALLED =
  /\[(?:PG (?:ID )?(\w{1,20})[^\]]{0,80} )?Rank (\d{1,6})\].{0,160}Watchdog caught collective operation timeout: WorkNCCL\(SeqNum=(\d{1,15}), OpType=(\w{1,64}), NumelIn=(\d{1,20}),/;
/** Of these each rank of a group brings as many elements as the others; of all-to-all and of a send none has to. */
const EQUAL = /^(?:ALLREDUCE|BROADCAST|REDUCE|_?ALLGATHER_BASE|_?REDUCE_SCATTER_BASE)$/;
const ALONE = /^(?:SEND|RECV|COALESCED)$/;

/**
 * The index of the line in which a rank's watchdog tells of another operation or size than most of the ranks do that
 * were in the same operation of the same group; undefined where all agree.
 */
export function differsAt(lines: readonly Line[]): number | undefined {
  const told = lines.flatMap(({ text }, index) => {
    const [, group = '', rank = '', sequence, operation = '', numel = ''] =
      (text.includes('WorkNCCL') && CALLED.exec(text)) || [];
    if (sequence === undefined || ALONE.test(operation)) return [];
    const call = EQUAL.test(operation) ? `${operation} ${numel}` : operation;
    return { index, rank, call, key: `${group} ${sequence}` };
  });
  for (const same of Map.groupBy(told, ({ key }) => key).values()) {
    const [one, other] = [...Map.groupBy(same, ({ call }) => call).values()]
      .map(calls => ({
        first: calls[0]?.index,
        ranks: new Set(calls.map(({ rank }) => rank)).size,
      }))
      .toSorted((a, b) => a.ranks - b.ranks || (b.first ?? 0) - (a.first ?? 0));
    if (one && other) return one.first;
  }
  return undefined;
}

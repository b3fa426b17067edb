import { JOB_NOTICE_MS, JOB_WENT_ON_MS } from '../contract/limits.ts';
import { passesOn } from './failure-forms.ts';
import { isLookingTool, isLoopback } from './harmless-lines.ts';
import type { Meaning } from './job-texts.ts';
import { tellsOfThread } from './of-others.ts';
import type { ProgressCount } from './progress.ts';

/** So many ordinary lines, over JOB_WENT_ON_MS, show that a program went on after an error. */
const WENT_ON_LINES = 40;
/** The same where the lines have no time. */
const WENT_ON_LINES_UNTIMED = 200;
/** Ordinary lines that a program prints while it ends, at most. */
export const FEW_LINES = 5;
/** So many ordinary lines after a consequence, an exception is no part of it. */
export const FOLLOWS_LINES = 20;

export interface Occurrence {
  readonly meaning: Meaning;
  readonly at: string | undefined;
  readonly line: number;
  /** Ordinary lines before it. */
  readonly ordinary: number;
  /** Whose line it is. */
  readonly stream: string;
  readonly rank: number | undefined;
  readonly gpu: number | undefined;
  /** What is judged: without the data that the line quotes. */
  readonly text: string;
  /** It sums up several lines, and is quoted itself. */
  readonly summed?: true | undefined;
  /** The same for exceptions of which one was raised from the other. */
  readonly chain?: number | undefined;
  /** Raised while the one before was handled, not from it. */
  readonly during?: true | undefined;
  readonly lastResort?: true;
  /** Of a line that alone weighs little. */
  readonly weak?: 'tool' | 'passes' | undefined;
}

/** The same with another part in the failure. */
export const withRole = (one: Occurrence, role: Meaning['role']): Occurrence => ({
  ...one,
  meaning: { ...one.meaning, role },
});

export const causesOf = (occurrences: readonly Occurrence[]): number =>
  occurrences.filter(({ meaning }) => meaning.role === 'cause').length;

/** The occurrences that belong to the end of the run: none where the program went on after the last. */
export function endingOf(
  occurrences: readonly Occurrence[],
  end: Moment,
  progress: ProgressCount,
): readonly Occurrence[] {
  const ending: Occurrence[] = [];
  let after = end;
  for (const one of occurrences.toReversed()) {
    if (one.weak) {
      if (!passed(one, after, progress)) ending.push(one);
    } else if (wentOn(one, after, progress)) {
      break;
    } else {
      ending.push(one);
      after = one;
    }
  }
  return ending.toReversed();
}

/** `[Fri Aug  9 13:32:56 2024] ` of dmesg -T: a kernel log tells of many runs. */
const KERNEL_TIME = /^\[([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})\] /;
const DAY_MS = 86_400_000;
const kernelMs = ({ text = '' }: Partial<Occurrence>): number =>
  Date.parse(`${KERNEL_TIME.exec(text)?.[1]} UTC`);

export type Moment = Pick<Occurrence, 'ordinary' | 'at' | 'line'> & Partial<Occurrence>;

function wentOn(before: Occurrence, after: Moment, progress: ProgressCount): boolean {
  if (kernelMs(after) - kernelMs(before) > DAY_MS) return true;
  if (workedOn(before, after, progress)) return true;
  const lines = after.ordinary - before.ordinary;
  if (before.at === undefined || after.at === undefined) return lines > WENT_ON_LINES_UNTIMED;
  return lines > WENT_ON_LINES && msBetween(before, after) > JOB_WENT_ON_MS;
}

/** A rank that is not told of an error may still do a step. */
const WORKED_ON_STEPS = 2;
/** Before a launcher or another rank tells of an end, others may do what needs no rank but themselves. */
const WORKED_ON_STEPS_SURE = 10;

/**
 * Its own process did steps, or another did so many that none of them can be missing. No process goes on after a
 * fault of its GPU, and of others a few steps, a wrapper's last words or an answer on its door say nothing. That all
 * is done, a wrapper says after every end: only what a program at work prints is work.
 */
function workedOn(before: Occurrence, after: Moment, progress: ProgressCount): boolean {
  const {
    steps,
    othersSteps,
    results,
    passed: tests,
  } = progress.between(before.stream, before.line, after.line);
  const isTold = after.meaning !== undefined && after.meaning.role !== 'cause';
  const isSure = isTold || isOfGpu(before.meaning);
  if (tests > 0) return true;
  if (steps >= (isSure ? WORKED_ON_STEPS_SURE : WORKED_ON_STEPS)) return true;
  return othersSteps >= WORKED_ON_STEPS_SURE || (!isSure && results > 0);
}

/** NaN where one of them has no time. */
const msBetween = (before: Moment, after: Moment): number =>
  Date.parse(after.at ?? '') - Date.parse(before.at ?? '');

/** After a line that weighs little, a few others are enough, and a notice runs out. */
function passed(before: Occurrence, after: Moment, progress: ProgressCount): boolean {
  if (wentOn(before, after, progress)) return true;
  const lines = after.ordinary - before.ordinary;
  const isNotice = before.meaning.id === 'preempted';
  if (!isNotice && lines > WENT_ON_LINES) return true;
  return (
    lines > FEW_LINES && msBetween(before, after) > (isNotice ? JOB_NOTICE_MS : JOB_WENT_ON_MS)
  );
}

/** What a process says after its peers have gone, and what it may also say by itself. */
const FOLLOWS =
  /^(?:exception|crash|library|dataloader|killed|unreachable|container-start|nccl-unhandled-cuda|nccl-internal|cuda-(?:3|7\d\d|999|unknown))$/;

/** PyTorch's exception around an error of NCCL or of another thread: the reason stands behind it. */
const PASSES_ON =
  /\bNCCL error in: |\bunhandled cuda error\b|^nccl(?:Unhandled\w+|InvalidUsage|InternalError): |: Caught \w+ in |: Graph execution error:\s*$/;
/** Who starts a container passes on why it cannot. */
export const STARTS = /^(?:container-start|container-hook|image-pull)$/;
/** What the tool that was to do it says itself: `nvidia-container-cli: mount error: file creation failed`. */
const STARTS_REASON = /\bnvidia-container-cli: \w/;
const onlyStarts = ({ meaning, text }: Occurrence): boolean =>
  STARTS.test(meaning.id) && !STARTS_REASON.test(text);
export const REASON_WITHIN_LINES = 10;
/** Who starts a container prints the log of the tool that could not. */
const LOG_LINES = 40;
/** It says which and not why. */
const STARTS_BARE =
  /\b(?:couldn't|could not|failed to) (?:start|create|import|launch|run) (?:the )?(?:docker |oci )?(?:container|image)(?: filesystem)?(?: for image)?(?:: \S{1,200})?\W*$|\bcontainer start failed with error code: \d{1,3}\W*$|\b(?:ImagePullBackOff|ErrImagePull|CrashLoopBackOff|(?:Create|Run)Container\w{0,12}Error)\b(?:\W{1,16}\d\S*){0,3}\W*$/i;
export const isBareStart = ({ meaning, text }: Occurrence): boolean =>
  STARTS.test(meaning.id) && STARTS_BARE.test(text);

/**
 * A cause that comes after a consequence is mostly one itself: the end of a program is noisy. What
 * passes on an error of NCCL gives way to the reason behind it.
 */
export function inOrder(occurrences: readonly Occurrence[]): readonly Occurrence[] {
  let last: Occurrence | undefined;
  return occurrences.map((one, index) => {
    if (one.meaning.role === 'consequence' && leadsOn(one)) last = one;
    if (one.meaning.role !== 'cause') return one;
    if (last && FOLLOWS.test(one.meaning.id) && !isApart(last, one)) {
      last = { ...one, meaning: { ...one.meaning, role: 'consequence' } };
      return last;
    }
    const later = occurrences.slice(index + 1);
    if (FOLLOWS_MEMORY.test(one.meaning.id) && isKilledAfter(one, later)) {
      return { ...one, meaning: { ...one.meaning, role: 'consequence' } };
    }
    if (OF_CUDA.test(one.meaning.id) && later.some(isOfDriver)) {
      return withRole(one, 'report');
    }
    const isEcho = one.meaning.layer === 'hardware' && !isOfXid(one) && later.some(isOfXid);
    if (isEcho || (one.meaning.id === 'crash' && later.some(isOfBrokenGpu))) {
      return withRole(one, 'report');
    }
    if (WITHOUT_GPU.test(one.text) && later.some(other => saysMore(other, one))) {
      return withRole(one, 'report');
    }
    const within = onlyStarts(one) ? LOG_LINES : REASON_WITHIN_LINES;
    const hasReason = later
      .slice(0, REASON_WITHIN_LINES)
      .some(
        ({ meaning, ordinary, text }) =>
          (meaning.role === 'cause' || meaning.id === 'peer-closed') &&
          ordinary - one.ordinary <= within &&
          !(STARTS.test(meaning.id) && !STARTS_REASON.test(text)) &&
          !PASSES_ON.test(text),
      );
    if (isAssertionTold(one, later) || isCheckOfCall(one, later)) {
      return withRole(one, 'report');
    }
    if (isBareStart(one) && later.some(isStartTold)) {
      return withRole(one, 'report');
    }
    const isPassed = PASSES_ON.test(one.text) || onlyStarts(one) || isOnlyFailed(one, later);
    return (isPassed && hasReason) || isOutspoken(one, occurrences) ? withRole(one, 'report') : one;
  });
}

/** Why it did not start, not its state alone. */
const isStartTold = (one: Occurrence): boolean => STARTS.test(one.meaning.id) && !isBareStart(one);

/** A kernel's own check tells what it found, and CUDA only that one did. */
const OF_ASSERTION = /\bdevice-side assert\b/;
const ASSERTED = /\bassertion\b.{0,400}\bfailed\b/i;
const isAssertionTold = ({ text }: Occurrence, later: readonly Occurrence[]): boolean =>
  OF_ASSERTION.test(text) &&
  !ASSERTED.test(text) &&
  later.some(one => one.meaning.role === 'cause' && ASSERTED.test(one.text));

/** The status of a call is what a check looked at: what the call says stands in the lines below. */
const CHECK_LINES = 3;
const isCheckOfCall = ({ meaning, line }: Occurrence, later: readonly Occurrence[]): boolean =>
  meaning.id === 'assertion' &&
  later.some(
    one =>
      one.line - line <= CHECK_LINES &&
      one.meaning.role === 'cause' &&
      !/^(?:assertion|exception|crash)$/.test(one.meaning.id),
  );

/** `RuntimeError: Jackhmmer failed`: what it printed stands below, with a text that is known. */
export const ONLY_FAILED =
  /^[\w.]{1,100}: (?:[\w./'"-]{1,60} ){1,6}(?:failed|crashed|did not (?:succeed|finish))(?: with (?:exit |return |error )?(?:code|status|value)?:? ?-?\d{1,5})?\W{0,3}$/i;
const isOnlyFailed = ({ meaning, text, stream }: Occurrence, later: readonly Occurrence[]) =>
  meaning.id === 'exception' &&
  ONLY_FAILED.test(text) &&
  later.some(one => one.meaning.id !== 'exception' && one.weak !== 'tool' && one.stream === stream);

/** TensorFlow looks at the driver after CUDA has not started, and says which halves of it do not fit, or what is not there. */
const saysMore = ({ meaning }: Occurrence, { text }: Occurrence): boolean =>
  meaning.id === 'versions' ||
  (meaning.id === 'no-accelerator' && /\bcuInit: (?:UNKNOWN ERROR|CUDA_ERROR_UNKNOWN)/.test(text));

/** What a program is told of a fault of its GPU, and what the driver says of it. */
const OF_CUDA = /^cuda-(?:46|7\d\d|999|unknown)$/;
const isOfDriver = ({ meaning: { id, role } }: Occurrence): boolean =>
  role === 'cause' && /^(?:s?xid-\d+|off-the-bus|nvml-15)$/.test(id);

/** What the driver itself has logged of the hardware; tools only pass that on. */
const isOfXid = ({ meaning, text }: Occurrence): boolean =>
  meaning.layer === 'hardware' && /\bNVRM: Xid\b/.test(text);

/** A fault that no program can bring about; what a script asks the driver stands behind the crash that it tells of. */
const isOfBrokenGpu = (one: Occurrence): boolean =>
  isOfDriver(one) && one.meaning.layer === 'hardware';

/** What a program says of a process of its own that the kernel has killed. */
const FOLLOWS_MEMORY = /^(?:exception|dataloader|crash)$/;
/** Slurm, the kernel or the kubelet tell of it when the program has ended. */
const KILLED_FOR_MEMORY = /\boom[_-]?kill|\bout of memory\b/i;

const isKilledAfter = (one: Occurrence, later: readonly Occurrence[]): boolean =>
  later.some(
    ({ meaning, ordinary, text }) =>
      meaning.id === 'host-memory' &&
      KILLED_FOR_MEMORY.test(text) &&
      ordinary - one.ordinary <= FOLLOWS_LINES,
  );

/** PyTorch prints what NCCL itself says of it in the lines below. */
export const HEADS = /\bNCCL error in: |^nccl(?:System|Remote)Error: /;

/** A service of its own machine that does not answer, and a task that was cancelled, end no program. */
const leadsOn = ({ text }: Occurrence): boolean =>
  !isLoopback(text) &&
  !/^(?:\w+\.)*CancelledError\b/.test(text) &&
  !HEADS.test(text) &&
  !tellsOfThread(text);

/** What no peer that has gone makes another rank raise. */
const OF_PROGRAM =
  /^(?:Key|Type|Name|Index|ZeroDivision|UnboundLocal|NotImplemented|Syntax|Value)Error\b/;

/** Peers that have gone can keep it waiting; who did not answer as it started is forgotten by then. */
export function isApart(before: Occurrence, after: Occurrence): boolean {
  if (before.rank !== after.rank && after.rank !== undefined && OF_PROGRAM.test(after.text)) {
    return before.rank !== undefined;
  }
  const lines = after.ordinary - before.ordinary;
  const canWait = before.meaning.layer !== 'fabric' && lines <= FEW_LINES;
  return lines > FOLLOWS_LINES || (!canWait && msBetween(before, after) > JOB_WENT_ON_MS);
}

/** What the GPU or its driver did to the program. */
const isOfGpu = ({ id, role, layer }: Meaning): boolean =>
  role === 'cause' &&
  (layer === 'hardware' ||
    layer === 'driver' ||
    /^(?:s?xid-\d+|cuda-(?:220|226|7\d\d|999))$/.test(id));

/** Programs note of these what they do without: a cause with a text of its own says more. */
const OFTEN_NOTED = /^(?:file-missing|permission|import|container-no-smi)$/;
/** A module that is not there is noted by whoever can do without. */
const NOTED =
  /^(?:failed to (?:import|load)|(?:could not|cannot|unable to) import)\b|\boptional\b|\bthrown while requesting\b/i;

/** huggingface_hub asks anew, or takes what it has. */
const OF_REQUEST = /\bthrown while requesting\b/;
/** What a script could not load is what its program does not find. */
const OF_LMOD = /\bmodule\(s\) are unknown\b/;

/** TensorFlow (cuda_driver.cc) goes on with the CPU: who is killed later is not killed by it. */
const WITHOUT_GPU =
  /\bfailed call to cuInit: |'libcuda\.so\.1'; dlerror: |\bCUDA library libcuda\.so|\bno NVIDIA GPU device is present\b|\bkernel driver does not appear to be running\b/;
/** Not where it names a fault of the GPU: it had one, and that is told whatever the program did without it. */
const doesWithout = ({ meaning, text }: Occurrence): boolean =>
  WITHOUT_GPU.test(text) && meaning.layer !== 'hardware';

/** wandb raises anew, without a reason, what its own line has told: `Error communicating with wandb backend`. */
const OF_WANDB = /^wandb\b/;
const isToldAgain = ({ text }: Occurrence, all: readonly Occurrence[]): boolean =>
  OF_WANDB.test(text) && all.every(one => one.meaning.role !== 'cause' || OF_WANDB.test(one.text));

/** A tool's line is a cause where nothing else is; what often passes is none before a fault of the GPU. */
export function withoutWeak(
  occurrences: readonly Occurrence[],
  end: Pick<Occurrence, 'ordinary'>,
): readonly Occurrence[] {
  const gpuLine = occurrences.findLast(({ meaning }) => isOfGpu(meaning))?.line ?? 0;
  const hasOther = occurrences.some(
    one => one.meaning.role === 'cause' && one.weak !== 'tool' && !isBareStart(one),
  );
  const hasConsequence = occurrences.some(({ meaning }) => meaning.role === 'consequence');
  const hasReport = occurrences.some(({ meaning }) => meaning.id === 'launcher-report');
  const strong = occurrences.filter(
    one => one.meaning.role === 'cause' && !one.weak && !isBareStart(one),
  );
  const killedLine = occurrences.findLast(({ meaning }) => meaning.id === 'killed')?.line ?? 0;
  const isNoted = ({ meaning: { id }, line, text }: Occurrence): boolean =>
    (OFTEN_NOTED.test(id) || OF_REQUEST.test(text)) &&
    !OF_LMOD.test(text) &&
    strong.some(
      one =>
        one.line > line &&
        !passesOn(one.text) &&
        !STARTS.test(one.meaning.id) &&
        !doesWithout(one) &&
        (one.meaning.id !== 'exception' || NOTED.test(text)),
    );
  return occurrences.map(one => {
    const { weak, meaning, line, ordinary } = one;
    const isAlone = occurrences.every(other => other.line <= line || doesWithout(other));
    const didWithout = isAlone && end.ordinary - ordinary > FEW_LINES;
    if (meaning.role === 'cause' && doesWithout(one) && (line < killedLine || didWithout)) {
      return withRole(one, 'report');
    }
    if (!weak || meaning.role !== 'cause') return one;
    const isLast = weak === 'passes' || end.ordinary - ordinary <= FEW_LINES;
    if (
      line < gpuLine ||
      (weak === 'tool' &&
        ((hasOther && !isToldAgain(one, occurrences)) ||
          (killedLine > 0 && line > killedLine) ||
          (hasReport && isLookingTool(one.text)))) ||
      (!isLast && hasConsequence) ||
      isNoted(one)
    ) {
      return withRole(one, 'report');
    }
    return isLast ? one : { ...one, lastResort: true };
  });
}

/** The banner of NGC's images says of each launcher that it has no GPU: it asks for none where its ranks run elsewhere. */
export const withoutBanner = (givenUp: readonly Occurrence[], all: readonly Occurrence[]) =>
  all.some(({ meaning, text }) => meaning.id === 'launcher-report' && /\bsignal\b/i.test(text))
    ? givenUp.filter(({ meaning }) => meaning.id !== 'no-accelerator')
    : givenUp;

/** What a program tries first, and says nothing of why it did not succeed. */
const LOOKUP = /^(?:KeyError|AttributeError|IndexError|StopIteration|AssertionError)\b/;
/** A class without a word: `TimeoutError`. */
const BARE = /^(?:\w{1,60}\.){0,8}\w{1,80}:?\s*$/;
/** So many characters more, the exception raised meanwhile explains it. */
const EXPLAINS_CHARACTERS = 30;

/** An exception of the program after which one of the same chain has a text that is known, or explains it. */
const isOutspoken = (
  { meaning, chain, line, text }: Occurrence,
  all: readonly Occurrence[],
): boolean =>
  meaning.id === 'exception' &&
  chain !== undefined &&
  all.some(
    one =>
      one.chain === chain &&
      one.line > line &&
      one.meaning.role === 'cause' &&
      (one.meaning.id !== 'exception' ||
        BARE.test(text) ||
        (one.during === true &&
          LOOKUP.test(text) &&
          one.text.length > text.length + EXPLAINS_CHARACTERS)),
  );

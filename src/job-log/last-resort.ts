import { optional } from '../contract/optional.ts';
import { RAISED_WITHIN, tellsOfMachine } from './by-words.ts';
import {
  causesOf,
  FEW_LINES,
  FOLLOWS_LINES,
  HEADS,
  isApart,
  isBareStart,
  type Occurrence,
  ONLY_FAILED,
  REASON_WITHIN_LINES,
  STARTS,
  withRole,
} from './ending.ts';
import { FAILED_FORM, passesOn } from './failure-forms.ts';
import { isLoopback, isOfTool, isProbe } from './harmless-lines.ts';
import type { Line } from './log-lines.ts';

/** What began a failure that no line of the table tells, or that it tells without a reason. */

/**
 * Where no line can have begun the failure: what failed on the network first, if nothing else has
 * failed, else the first error by its form before anything that is known.
 */
export function withCause(
  known: readonly Occurrence[],
  failures: readonly Occurrence[],
): readonly Occurrence[] {
  if (causesOf(known) > 0) return beforeTools(known, failures) ?? withReason(known, failures);
  const consequences = known.filter(({ meaning }) => meaning.role === 'consequence');
  // What only heads the reason behind it is not what failed first.
  const earliest = consequences.find(one => !HEADS.test(one.text)) ?? consequences[0];
  const link = consequences.find(({ meaning }) => OF_LINK.test(meaning.id));
  const first = link && earliest?.meaning.id === 'nccl-remote' ? link : earliest;
  const [failed] = failures;
  if (first?.meaning.layer !== 'fabric') {
    const before = known.find(({ meaning }) => meaning.id !== 'crash' || meaning.role !== 'report');
    if (failed && failed.line < (before?.line ?? Number.POSITIVE_INFINITY)) {
      return [failed, ...known];
    }
    const below = first && reasonBelow(first, consequences, failures);
    if (below) return [...known, below].toSorted((a, b) => a.line - b.line);
    if (!isOnlyReset(known)) return known;
    return known.map(one => (isReset(one) ? asLastResort(one) : one));
  }
  const other = [...known.filter(({ meaning }) => meaning.id === 'exception'), ...failures]
    .filter(({ text }) => !OF_NETWORK.test(text) && !GOT_NOTHING.test(text) && !passesOn(text))
    .filter(
      one => !BY_FORM.test(one.meaning.id) || FAILED_FORM.test(one.text) || isApart(first, one),
    )
    .toSorted((a, b) => a.line - b.line)[0];
  const isCause = (one: Occurrence) =>
    other ? one === other : one.meaning.id === first.meaning.id && !isLoopback(one.text);
  return (other && BY_FORM.test(other.meaning.id) ? [...known, other] : known)
    .toSorted((a, b) => a.line - b.line)
    .map(one => (isCause(one) ? asLastResort(one) : one));
}

/** An adapter tells of the link itself what NCCL leaves open: `remote process exited or there was a network error`. */
const OF_LINK = /^(?:nccl-ib-\d{1,3}|ib-completion)$/;

/** A tool's line to any error, what often passes to one that was fatal. */
const IS_FATAL = /^\W{0,4}fatal\b/i;
const gives = ({ weak }: Occurrence, { text }: Occurrence): boolean =>
  weak === 'tool' || (weak === 'passes' && IS_FATAL.test(text));

/** What a tool of a script says after an error of somebody else is of the tidying up. */
function beforeTools(
  known: readonly Occurrence[],
  failures: readonly Occurrence[],
): readonly Occurrence[] | undefined {
  const causes = known.filter(({ meaning }) => meaning.role === 'cause');
  const first = causes[0]?.line ?? 0;
  const failed = failures.find(({ line, text }) => line < first && !passesOn(text));
  if (!failed || causes.some(one => !gives(one, failed))) return undefined;
  return [
    failed,
    ...known.map(one => (causes.includes(one) ? withRole(one, 'report') : one)),
  ].toSorted((a, b) => a.line - b.line);
}

/** pip knows of no package whose index it could not ask. */
const GOT_NOTHING = /\(from versions: none\)|\bno matching distribution found\b/i;

/** Where nothing is told but what heads a reason, an error by its form right below is that. */
const reasonBelow = (
  first: Occurrence,
  consequences: readonly Occurrence[],
  failures: readonly Occurrence[],
): Occurrence | undefined =>
  consequences.every(({ text }) => HEADS.test(text))
    ? failures.find(
        ({ line, ordinary, text }) =>
          line > first.line && ordinary - first.ordinary <= REASON_WITHIN_LINES && !passesOn(text),
      )
    : undefined;

/** Ids of firstErrorMeaning. */
const BY_FORM = /^(?:first-error|machine-words)$/;

const asLastResort = (one: Occurrence): Occurrence => ({
  ...withRole(one, 'cause'),
  lastResort: true,
});

/** NCCL passes on the word of the operating system; nobody is blamed for it. */
const RESET =
  /\bNCCL WARN .*(?:: Connection (?:reset by peer|timed out)\b|\bprogressing operation=)/;
const isReset = ({ text, meaning }: Occurrence): boolean =>
  RESET.test(text) && meaning.id === 'peer-closed';
const isOnlyReset = (known: readonly Occurrence[]): boolean =>
  known.some(isReset) &&
  known.every(({ text, meaning }) => meaning.id === 'peer-closed' && / NCCL WARN /.test(text));

/**
 * Of a cause that tells no reason: the first error by its form that stands near before it, and of who could not
 * start a container the one in the log that it prints.
 */
function reasonOf(cause: Occurrence, failures: readonly Occurrence[]): Occurrence | undefined {
  const own = failures.filter(({ text }) => !passesOn(text) && /[a-z]{3}/i.test(text));
  if (STARTS.test(cause.meaning.id)) {
    const isBare = isBareStart(cause);
    return own.find(({ line, ordinary, meaning }) =>
      line > cause.line
        ? ordinary - cause.ordinary <= REASON_WITHIN_LINES &&
          (isBare || meaning.layer === cause.meaning.layer)
        : isBare && cause.ordinary - ordinary <= FEW_LINES,
    );
  }
  const before = own.filter(({ line }) => line < cause.line);
  if (cause.meaning.id === 'import') return before.find(({ text }) => OF_INSTALLER.test(text));
  const isHollow =
    cause.meaning.id === 'exception' && (HOLLOW.test(cause.text) || ONLY_FAILED.test(cause.text));
  if (!isHollow && !passesOn(cause.text) && cause.meaning.id !== 'crash') return undefined;
  const withinLines = cause.meaning.id === 'crash' ? FEW_LINES : FOLLOWS_LINES;
  return before.find(({ ordinary }) => cause.ordinary - ordinary <= withinLines);
}

/** A package that could not be installed is the module that is not found. */
const OF_INSTALLER =
  /^ERROR: (?:Could not (?:find a version|install|build)|No matching distribution|Failed building)|^E: (?:Unable|Failed|Package)|\b(?:CondaHTTPError|PackagesNotFoundError|ResolutionImpossible|No solution found)\b/;
/** A value that is not there, mostly since something before it has failed. */
const HOLLOW =
  /'NoneType' object\b|^UnboundLocalError: |\bcannot unpack non-iterable NoneType\b|\bnot supported between instances of '\w+' and 'NoneType'/;

/** What a build or a command has printed, which the exception quotes below its own words. */
function quotedBelow(
  cause: Occurrence,
  known: readonly Occurrence[],
  failures: readonly Occurrence[],
): Occurrence | undefined {
  if (cause.meaning.id !== 'exception' || !passesOn(cause.text)) return undefined;
  return [...known.filter(({ meaning }) => BELOW_BUILD.test(meaning.id)), ...failures]
    .filter(
      ({ line, ordinary, text, stream }) =>
        line > cause.line &&
        ordinary - cause.ordinary <= REASON_WITHIN_LINES &&
        stream === cause.stream &&
        !passesOn(text),
    )
    .toSorted((a, b) => a.line - b.line)[0];
}
/** What a shell, a compiler or a linker says. */
const BELOW_BUILD = /^(?:file-missing|permission|disk-full|host-memory|versions|import)$/;

/** What kept it from its peer, right before a status that tells nothing else. */
const networkBefore = (cause: Occurrence, known: readonly Occurrence[]): Occurrence | undefined =>
  cause.meaning.id === 'library-status'
    ? known.find(
        ({ meaning, line, ordinary, text }) =>
          meaning.role === 'consequence' &&
          meaning.layer === 'fabric' &&
          line < cause.line &&
          cause.ordinary - ordinary <= FEW_LINES &&
          !isLoopback(text),
      )
    : undefined;

/** Raised of another one that only passes on what stands below both. */
const isWrapping = (one: Occurrence, reason: Occurrence): boolean =>
  one.line < reason.line && one.meaning.id === 'exception' && passesOn(one.text);

/** What does not fit a compiler is of whoever chose both, where the build tells. */
const COMPILER = /:\d{1,7}(?::\d{1,5})?: (?:fatal )?error: |\(\d{1,7}\): error: /;

const isFull = ({ meaning }: Occurrence): boolean => meaning.id === 'disk-full';

function withReason(
  known: readonly Occurrence[],
  failures: readonly Occurrence[],
): readonly Occurrence[] {
  const cause = known.find(({ meaning }) => meaning.role === 'cause');
  if (!cause) return known;
  const asReport = withRole(cause, 'report');
  // What could not be written there was no place for.
  if (cause.meaning.id === 'checkpoint-write' && known.some(isFull)) {
    return known.map(one => (one.meaning.id === cause.meaning.id ? withRole(one, 'report') : one));
  }
  const network = networkBefore(cause, known);
  if (network) {
    return known.map(one => (one === cause ? asReport : one === network ? asLastResort(one) : one));
  }
  const reason = reasonOf(cause, failures) ?? quotedBelow(cause, known, failures);
  if (!reason) return known;
  const others = known.filter(one => one !== reason);
  const { lastResort, ...rest } = reason;
  // Only what says that it is an error is sure to be the reason.
  const isError = FAILED_FORM.test(reason.text) || RAISED_WITHIN.test(reason.text);
  // An exception that only passes on a status blames nobody by its class.
  const isStatus = cause.meaning.id === 'exception' && passesOn(cause.text);
  const isOpen =
    COMPILER.test(reason.text) ||
    (reason.meaning.layer === 'unknown' && !isStatus && !tellsOfMachine(reason.text));
  const { layer, action } = isOpen ? cause.meaning : reason.meaning;
  return [
    ...others,
    {
      ...rest,
      ...(!isError && optional({ lastResort })),
      meaning: { ...reason.meaning, role: 'cause' as const, layer, action },
    },
  ]
    .toSorted((a, b) => a.line - b.line)
    .map(one => (one === cause || isWrapping(one, reason) ? withRole(one, 'report') : one));
}

/** What a program says of a network that failed it, in whatever words. */
const OF_NETWORK =
  /connect|refused|reach|time[d-]? ?out|socket|network|peer|\bssh|\bhost|rendezvous|nccl|gloo|join|daemon|remote|worker|rank|\bnode/i;

/**
 * What the programs of the GPU stack print as they start: NVIDIA/k8s-device-plugin (device plugin, feature discovery),
 * NVIDIA/dcgm-exporter, NVIDIA/gpu-operator (its controller and validator), NVIDIA/mig-parted,
 * NVIDIA/nvidia-container-toolkit, NVIDIA/gpu-driver-container, kubernetes-sigs/node-feature-discovery.
 */
const STACK_STARTS =
  /\bStarting (?:NVIDIA Device Plugin|dcgm-exporter|nv-hostengine|(?:FS|OS) watcher|GRPC server for 'nvidia\.com\/|installation of NVIDIA driver)|\bDCGM successfully initialized\b|\bRetr(?:ie|ei)ving plugins\b|\bNode Feature Discovery (?:Worker|Master)\b|\bInstalling NVIDIA container toolkit\b|\bUpdating to MIG config\b|\bcontrollers\.ClusterPolicy\b|\bcompute-domain-(?:controller|daemon|kubelet-plugin)\b|\bgpu-kubelet-plugin\b|\bnvidia_gpu_exporter\b|\bvalidating (?:driver|toolkit|plugin|CUDA) (?:installation|workload)\b/;
const BEGIN_LINES = 40;

/** What such a program could not do is of its node or of how it is set up, where its words tell nobody's hand. */
export function ofStack(
  told: readonly Occurrence[],
  lines: readonly Line[],
): readonly Occurrence[] {
  const isOpen = ({ meaning: { id, layer, action } }: Occurrence): boolean =>
    id === 'first-error' && layer === 'application' && action === 'watch';
  if (!told.some(isOpen)) return told;
  if (!lines.slice(0, BEGIN_LINES).some(({ text }) => STACK_STARTS.test(text))) return told;
  return told.map(one =>
    isOpen(one) ? { ...one, meaning: { ...one.meaning, layer: 'configuration' } } : one,
  );
}

/** So few lines before the end, counted with its own, it may have been what ended the program. */
const PROBED_LINES = 2;
const isPassed = ({ ordinary, text }: Occurrence, end: number): boolean =>
  isProbe(text) && end - ordinary > PROBED_LINES;

/** A tool of a start script that failed long before the end ended nothing, and what a program only looks for even less. */
export const withoutProbes = (failures: readonly Occurrence[], end: number) =>
  failures.filter(
    one => !isPassed(one, end) && (end - one.ordinary <= FEW_LINES || !isOfTool(one.text)),
  );

/** The same of lines with a meaning that alone weigh little. */
export const withoutWeakProbes = (occurrences: readonly Occurrence[], end: number) =>
  occurrences.filter(one => one.weak === undefined || !isPassed(one, end));

import { RAISED_WITHIN } from './by-words.ts';
import { goesOn, isHarmless, isLoopback } from './harmless-lines.ts';
import type { Line } from './log-lines.ts';
import { noticedOfOthers } from './of-others.ts';

/** What an error looks like, whatever it says. */

/** What a line without one of these words says is no failure; each text of the tables has one. */
export const MAY_FAIL = new RegExp(
  [
    /error|exception|fail|fatal|abort|kill|signal|sigterm|watchdog|timeout|\bnan\b|\binf\b/,
    /non-finite|refused|reset|closed|pipe|denied|space|cannot|can't|couldn't|could not|oom/,
    /memory|dead|died|lost|assert|return code|unable|invalid|mismatch|heartbeat|inbound/,
    /compatib|evict|drain|\blame |stub lib|low on|usage|xid|segfault|panic|bad_alloc/,
    /general protection/,
    /fallen|cancelled|interrupt|preempt|limit|processes|dump|illegal/,
    /duplicate|nonexistent|taking the entire|barrier|marked|exceed|terminat|no |not |n't /,
    /errno|\bfull\b|condor_rm|expected|requ|must|detected|status|received|version|read-only|corrupt/,
    /capa/,
    /config|violat|engine|exit|unknown|changed|missing|expire|imagep|unhealthy|mapping/,
    /ibv_wc|built|acces|unre|recorder|nvls|too |handle|available|nosuchkey|undefined/,
    /minimum|offline|unauthorized|insuff|servname|eaddrinuse|exploded|captur|multiple/,
    /recvbytes|waiting|misaligned|quota|nans|incompl|dcgm_|timed|segm|larger|notice|connect/,
    /shutdown|shutting|sanitizer|runtime cudnn|compiled|deserialize|outgoing|forbidden|already/,
    /exchange_id|in use/,
    /padded|of range|infinite|removed|unsupported|incorrect|replays|currently down|pci link|wrong/,
    /fault|malloc|bad |unbound|syntax|404|toomany|batch script|unexpected|mpi |binding|down state/,
    /utiliz|gated|doesnot|module named|solution|hang|walltime|wallclock|term_|gone over|less than/,
    /neither|revoked|busy|returned \d|unstable|non-numeric|active drivers|nvml_success/,
    /_err_|truncated|called (?:before|after)|not_found|more than once|exhausted|pressed|preempted/,
    /did not|retrying|preamble/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
/** The same for the reports of launchers, which alone are read of what is only noted. */
export const MAY_REPORT = /exit|kill|died|process|abort|error|recorder|return|version|fail|termin/i;

export const WHAT = /^\s*what\(\):\s*/;

/** `error: `, `srun: error: `, `error loading model: `, `x.h:139:2: error: `, `nvcc fatal   : `, `  what():  `. */
export const FAILED_FORM =
  /^(?:[\w./:()+-]{1,120}: |[\w.-]{1,40} )?(?:[\w./-]{1,64}: )?(?:(?:fatal|unrecoverable|internal|runtime) )?(?:error|fatal)(?! (?:checks?|checking|handling|reporting|counters?)(?: mode)?:)(?: in \w+[^:]{0,40}| [\w ()]{1,40})?\s{0,4}: |^\s+what\(\):/i;

/** Charm++: `Fatal CUDA Error out of memory at cuda-hybrid-api.cu:790.` */
const FATAL_AT = /^\W{0,4}fatal (?:\w{1,20} ){0,2}error\b.{1,200}\bat \S{1,200}:\d/i;

/** `CUDA error !!!!! <out of memory>`, `Unhandled exception of type 'X' with message 'Y', terminating`. */
const OF_RUNTIME =
  /^\W{0,4}(?:cuda|hip|opencl|sycl)\b.{0,20}\berror\b(?! (?:check(?:s|ing)?|handling|reporting|counters?)(?: mode)?\s?[:=])|^\W{0,4}(?:unhandled|uncaught) exception\b|^\W{0,4}http (?:client |server )?error [45]\d\d\b/i;

/** strerror(3) and gai_strerror(3): a line that ends with one tells what was refused, whatever stands before it. */
const OF_SYSTEM =
  /(?:[:(\]>-]|\b(?:failed|returned|error)\b:?) {0,2}(?:no such (?:file or directory|device(?: or address)?|host)|permission denied|operation not permitted|input\/output error|no space left on device|disk quota exceeded|read-only file system|too many open files(?: in system)?|cannot allocate memory|out of memory|resource temporarily unavailable|device or resource busy|exec format error|not a directory|is a directory|bad address|stale file handle|remote i\/o error|transport endpoint is not connected|connection refused|connection timed out|no route to host|network is (?:unreachable|down)|host is down|address already in use|cannot assign requested address|protocol not (?:supported|available)|operation not supported|function not implemented|argument list too long|name or service not known|temporary failure in name resolution|command not found|unexpected (?:end of file|eof in archive)|not in gzip format)(?:,? (?:\(\w+\)|\[\w+\]|please try again|retrying\b.*))?[.)\]'"]{0,3}\s*$/i;

/** What checks of C and C++ print: `GGML_ASSERT: `, `CHECK failed`, `Assertion `x' failed`; and who ended by a signal. */
const CHECKED =
  /(?:^|[\s\]:])(?:[A-Z][A-Z0-9]*_)?(?:ASSERT|CHECK)(?:_\w+)?\b ?[:(]|\b(?:check|assert(?:ion)?)\b.{0,200} failed\b|\bassertion failed\b|\b\w+::abort\b/i;
const SIGNALLED =
  /\b(?:caught|received|got|fatal|unhandled) (?:fatal |deadly )?signal\b|\bsignal \(?\d{1,2}\)? (?:received|caught)\b|\b(?:segmentation|memory access|page|general protection|bus) (?:violation|fault|error)\b/i;
/** A logger's level in brackets: `[hipSYCL Error] from`, `2022-08-13 11:42:42 [E:onnxruntime:log, `. */
const BRACKETED = /^[\d\s:.,TZ-]{0,40}\[(?:[\w .-]{1,40}[ /-](?:error|fatal)\]|E:\w)/i;

/** It stands alone: what went wrong is said below. */
export const PANICKED = /\bpanicked at \S{1,400}:\d+:\d+:$/;
const HEADING = new RegExp(
  [
    /^\W*met exceptions:\s*$/,
    /^\W*(?:\w{1,20} has detected the following )?(?:fatal |internal |last |kernel )?error(?: (?:in|from) [^:]{1,80})?:?\s*(?:\([^()]{1,60}\)\s*)?$/,
    /(?<![-=*])[-=*]{4,80} {0,4}(?:fatal )?error(?: message)? {0,4}[-=*]{4,80}\s*$/,
    /^CMake Error(?: at [^:]{1,200}:\d{1,6} \(\w{1,60}\))?:$/,
    // XLA's, those of GROMACS (fatalerror.cpp, utility/errorcodes.cpp), gcloud's.
    /\bIntercepted XLA runtime error:\s*$/,
    /^(?:(?:Range checking|Input|Software inconsistency|File input\/output|System I\/O|Internal|API|Communication) error(?: \((?:possible )?bug\))?|Inconsistency in user input|Requested tolerance cannot be achieved|Simulation instability detected|Feature not implemented|Invalid (?:value|call) \(bug\)|File not found|Out of memory):\s*$/,
    // Quantum ESPRESSO (UtilXlib/error_handler.f90), WRF (frame/module_wrf_error.F), Charm++ (CmiAbort).
    /^\s*Error in routine\s+\w{1,60} \(-?\d{1,9}\):\s*$/,
    /^-{4,80} FATAL CALLED -{4,80}$/,
    /^-{4,80} (?:Partition \d{1,6} )?Processor \d{1,9} Exiting: Called CmiAbort -{4,80}$/,
    /^ERROR: \(gcloud\.[\w.-]{1,100}\) [^:]{1,80}:\s*$/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
/** `MPI ERROR:`; `Mean error` is a measure. */
const OF_LIBRARY =
  /^\W*[A-Z]{2,8} (?:FATAL (?:IO )?|[Ff]atal )?(?:ERROR|[Ee]rror)(?: (?:in|from) [^:]{1,80})?:?\s*(?:\([^()]{1,60}\)\s*)?$/;
/** By its end first: most lines are none. */
const ENDS_HEADING = /[:r)=*-]\s*$/i;
/** MATLAB's: `Error using gpuArray`. */
const OF_CALLER = /^\{?Error using \S{1,80}(?: \(line \d{1,6}\))?\s*$/;
/** Older Quantum ESPRESSO, WRF, HTCondor and Teuchos of Trilinos. */
const OPEN_HEADING =
  /^\s*from \w{1,60} : error #\s{1,12}-?\d{1,9}\s*$|^FATAL CALLED FROM FILE: .{0,200}LINE: {1,12}\d{1,9}\s*$|^\d{3} \([\d.]{1,40}\) .{1,40} Job was held\.\s*$|^(?:p=\d{1,9}: )?\*{3} Caught standard std::exception of type '[^']{1,100}' :\s*$/;
const MAY_HEAD = /error #|FATAL CALLED|Job was held|Caught standard/;
const isHeading = (text: string): boolean =>
  (text.includes('Error using ') && OF_CALLER.test(text)) ||
  (MAY_HEAD.test(text) && OPEN_HEADING.test(text)) ||
  (ENDS_HEADING.test(text.slice(-4)) &&
    (HEADING.test(text) || OF_LIBRARY.test(text) || PANICKED.test(text)));
/** What an error of a measurement is: `0.031`, `MAE 0.031`. */
const MEASURED =
  /^\s*[-+]?[\d.]{1,20}(?:e[-+]?\d{1,4})?\s?%?\s*$|^\s*[\w ()/@-]{1,40}[:=]?\s{1,8}[-+]?\d{0,9}\.\d{1,20}(?:e[-+]?\d{1,4})?\s?%?\s*$/i;
/** What follows is quoted, and says itself whether it is an error. */
export const QUOTES =
  /\b(?:standard error|stderr|output|traceback|following|details?|error stack)\b[^:]{0,20}:\s*$|\bbuffer follows\s*$|\w\W{0,3}\{\s{0,8}$|\berror executing (?:job|process)\b|\bprinting (?:\w+ |contents of )?log file\b/i;

/** What only passes on that something failed: the reason stands before it. */
const PASSED_ON = new RegExp(
  [
    /\b(?:see (?:the )?(?:above|logs?|errors?|root cause)|inspect the previous error messages|returned non-zero exit|MPI_ERR_OTHER: known error not in list|see previous errors|ld returned 1|error compiling|error building extension|failed building wheel|build stopped|failed to (?:start|launch|build|compile)|exited with|core dumped|process received signal|unexpected error|unspecified error|spank plugin stack|required plugin spank_\w+\.so|child \d{1,10} (?:failed with error code|terminated with signal)|allocation \d{1,12} has been revoked)\b/,
    /^(?:Fatal Python error: )?Aborted\b|\b(?:error|log|output)s? above\b/,
    /\binitialization failed(?:, exiting)?\W*$/,
    // The status alone of a library that said before what went wrong.
    /\bNCCL (?:error in: |error: (?:invalid|internal|unhandled)|error \d)|^(?:\w+\.)*nccl\w+: /,
    /^BEGIN failed--compilation aborted\b|\breporting training failure\b/,
    /\bNIXL_ERR_\w+\W*$|\bfailed to (?:create|init) ucp\b/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);

export const passesOn = (text: string): boolean => PASSED_ON.test(text);

/** What a program says as it gives up, in no form of an error. */
const GIVES_UP =
  /\b(?:failed|cannot|can't|could not|couldn't|unable to|terminating|exiting|abort(?:ed|ing)|giving up|not found)\b|\berror\s?[:=](?!\s*$)/i;
/** Help texts of launchers say what may have been. */
const GUESSES = /\b(?:usually|may|might|likely|possibl[ey]|perhaps|without calling|either|if)\b/i;
/** A study gives up a trial so, and only warns of it. */
const FOR_AN_ERROR = /\bbecause of (?:the following )?(?:error|exception)\b/i;
export const givesUp = ({ level, text }: Line): boolean =>
  (level === 'plain' || (level === 'warning' && FOR_AN_ERROR.test(text))) &&
  GIVES_UP.test(text) &&
  !GUESSES.test(text) &&
  !goesOn(text) &&
  !isHeading(text) &&
  !isHarmless(text) &&
  noticedOfOthers(text) === undefined;

/** What a program complains of, in the past or of what is, and in no form of an error. */
const COMPLAINS = new RegExp(
  [
    /\b(?:exceed(?:s|ed|ing)|refused|denied|rejected|unreachable|evicted|preempted|drained|expired|lost|crashed|corrupt(?:ed)?|unhealthy)\b/,
    /\b(?:out of|not enough|insufficient|no more|low on|no free) (?:\w+ ){0,2}(?:memory|space|disk|resources?|capacity|devices?|slots?|storage)\b/,
    /\b(?:not|no|never|none|neither) (?:\w+ ){0,3}(?:allowed|permitted|supported|available|found|detected|reachable|exist|usable|visible|accessible|write?able|readable|executable|mounted|recogni[sz]ed|installed|configured)\b/,
    /\b(?:does not|doesn't|do not|did not|didn't) (?:exist|match|support|fit|have|respond|answer|converge|work)\b/,
    /\b(?:incompatible|mismatch(?:ed)?|invalid|illegal|undefined|unknown|missing|bad|unsupported|wrong|duplicate) (?:\w+ ){0,3}(?:\w+)\b/,
    /\bnot linked\b|\bnan(?:s|\(s\)) (?:in|at|were|are|detected|found|encountered)\b/,
    /\b(?:unable to|failed to|could not|cannot|can't) (?:connect|reach|contact)\b/,
    /\b(?:fault|panic|overflow|deadlock|walltime|time ?limit|quota)\b|\bno such \w{3,20}: \S/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
const HAPPENED_QUIETLY =
  /\b(?:evicted|preempted|drained|no (?:\w+ ){0,2}(?:gpus?|devices?|accelerators?|platform) (?:\w+ ){0,2}(?:found|detected|available)|already in use|exceeded|out of memory)\b/i;

/** A longer one quotes what somebody asked for, and NCCL notes all that it looks for. */
const NOTE_CHARACTERS_MAX = 400;
const OF_SEARCH = /\bNCCL\b/;

/** A server or a cache makes room within itself: no platform took anything back. */
const MAKES_ROOM =
  /\b(?:preempt|evict|spill|retract)\w{0,6}\b[^.]{0,60}\b(?:seq(?:uence)?s?|requests?|blocks?|pages?|kv|cached?|entr(?:y|ies)|keys?|objects?|slots?|buffers?|tensors?|samples?|prompts?|tokens?|batch|adapters?|rows?|chunks?|layers?|models?)\b|\b(?:seq(?:uence)?s?(?: groups?)?|requests?|blocks?|pages?|kv|cache|entr(?:y|ies)|keys?|objects?|slots?|buffers?|samples?|prompts?|adapters?|chunks?)\b[^.]{0,40}\b(?:preempt|evict|spill|retract)\w{0,6}\b/i;
const OF_PLATFORM =
  /\b(?:pods?|jobs?|nodes?|containers?|instances?|vms?|workers?|tasks?)\b(?!\.\w).{0,30}\b(?:preempt|evict)|\b(?:preempt|evict)\w{0,6}\b.{0,20}\b(?:pods?|jobs?|nodes?|containers?|instances?|vms?|workers?|tasks?)\b/i;
const makesRoom = (text: string): boolean => MAKES_ROOM.test(text) && !OF_PLATFORM.test(text);

/** How loud a line complains; undefined where it does not. */
export function voiceOf({ level, text }: Line): number | undefined {
  if (makesRoom(text)) return undefined;
  if (GUESSES.test(text) || isHarmless(text) || goesOn(text) || !MAY_FAIL.test(text))
    return undefined;
  if (noticedOfOthers(text) !== undefined) return undefined;
  if (level === 'quiet') {
    const isNote = text.length > NOTE_CHARACTERS_MAX || OF_SEARCH.test(text);
    return !isNote && HAPPENED_QUIETLY.test(text) ? 1 : undefined;
  }
  if (!COMPLAINS.test(text) || (level === 'warning' && isLoopback(text))) return undefined;
  return level === 'warning' ? 2 : 3;
}

/** It says that it ends, and of what not. */
const ONLY_ENDS =
  /\b(?:exiting|quitting|aborted|aborting|terminating|terminated)\b[^:]{0,60}:?\s*$|\bdue to (?:previous )?errors?\b|^\W*(?:\w+ ){1,3}failed\W*$/i;
export const onlyEnds = (text: string): boolean => ONLY_ENDS.test(text) && !COMPLAINS.test(text);

/** The same in words that leave no doubt, beside the louder words of others. */
const QUITS =
  /\b(?:giv(?:ing|es|e) up|gave up|abandon(?:s|ed|ing)|bail(?:ed|ing) out|terminating|exiting|quitting|aborting|(?:cannot|unable to|can't|could not) (?:continue|proceed|go on)|unrecoverable)\b/i;
export const quits = ({ level, text }: Pick<Line, 'level' | 'text'>): boolean =>
  (level === 'plain' || level === 'error') &&
  QUITS.test(text) &&
  !GUESSES.test(text) &&
  !isHarmless(text);

/** A platform takes the machine back, or is about to; not who only stands ready for it. */
const TAKES_BACK =
  /\b(?:preempt\w{0,8}|evict\w{0,4}|reclaim\w{0,4}|rebalance|drain(?:ed|ing)|(?:spot|instance) (?:\w+ )?(?:interruption|termination)|(?:host|scheduled) maintenance|scal(?:e|ed|ing)[- ]?down|(?:interruption|termination|shutdown) notice)\b/i;
const IS_ABOUT_TO =
  /\b(?:notice|event\w{0,5}|imminent\w{0,2}|being|about to|will be|recommendation|received|detected|got|by)\b|\btrue\b/i;
const STANDS_READY =
  /\b(?:no|not|without|never|if|when|whether|until|unless|checks?|checking|watch(?:ing|es)?|wait(?:ing)?|poll(?:s|ing)?|handlers?|listeners?|callbacks?|hooks?|enabled|disabled|installed|registered|ready|support\w{0,5}|prevent\w{0,3}|policy|manager|connections?|cache\w?|queue|requests?|blocks?|sequences?|group|(?:preempted|evicted) (?:jobs|tasks|runs|pods))\b/i;
const RUNS_OUT =
  /\b(?:wall ?(?:clock )?|run|job )?time ?limit (?:of \S{1,20} )?(?:was |is |has been )?(?:reached|exceeded|hit|expired)\b|\b(?:reached|exceeded|hit) (?:the |its )?(?:wall ?(?:clock )?|run|job )?time ?limit\b/i;

/** The address where a cloud tells of it, with its answer. */
const ANNOUNCED =
  /\binstance-action\b.{0,40}["']action["']\s?:\s?["'](?:terminate|stop|hibernate)\b|\bEventType["']?\s?[:=]\s?["']?Preempt\b/;

/** The row of the table that says the same. */
export function takenBack({ text }: Line): 'preempted' | 'time-limit' | undefined {
  if (ANNOUNCED.test(text)) return 'preempted';
  if (STANDS_READY.test(text)) return undefined;
  if (RUNS_OUT.test(text)) return 'time-limit';
  return TAKES_BACK.test(text) && IS_ABOUT_TO.test(text) ? 'preempted' : undefined;
}

/** What a shell says of a script that it cannot go on with: bash (subst.c, parse.y) and dash (expand.c, exec.c). */
const OF_SHELL =
  /^[^\s:]{1,200}: (?:line )?\d{1,6}: (?:[^\s:]{1,200}: )?(?:syntax error\b|unexpected eof\b|(?:.{1,80}: )?bad substitution$|unbound variable$|parameter not set$|argument list too long$|cannot execute\b|not found$|division by (?:0|zero)\b)/i;

/** What ends Python before its first line (Lib/runpy.py), and an exception of a class with another ending. */
const BEFORE_PROGRAM =
  /^\S{0,200}python[\d.]{0,6}: (?:No module named|Error while finding module)\b|^(?:[a-z]\w{0,60}\.){0,8}[A-Z]\w{0,60}(?:NotFound|Unavailable|Unsatisfiable|Impossible|OOM): \S/;
/** `curl: (28) Operation timed out`, `OMP: Error #15: Initializing libiomp5.so`. */
const NUMBERED = /^(?:curl: \(\d{1,2}\) |OMP: (?:System )?Error #\d{1,4}: )\S/;
/** miette of Rust, as of uv, and pip; the others mark what a list of checks has not found, too. */
const MARKED =
  /^(?:× \S|Can't locate \S{1,200} in @INC\b|[✗✘] (?=.{0,200}\b(?:errors?|fail\w*|fatal)\b))/i;
/** The linker, of a library whose name alone it was given (binutils, ld/ldfile.c); newer ones add what the system says. */
const LINKED = /^(?:\/\S{1,200}\/)?(?:[\w-]{1,60}-)?ld(?:\.\w{1,10})?: cannot find -l\S/;
/** NVSHMEM's place in its source, with a status or with words; the only level of libfabric for what went wrong. */
const STATUS = new RegExp(
  [
    // hypre, AmgX and checks of CUDA: `hypre error in file "par_csr.c", line 120, error code = 12`.
    /^\W{0,4}(?:\w{1,20} ){1,3}error (?:in|at) (?:file )?["'<]?[^\s"'<>]{1,200}["'>]?[,:]? (?:at |in |on )?line:? ?\d/,
    // Teuchos of Trilinos.
    /\bThrow test that evaluated to true: \S/,
    /^\/?\S{1,300}\.(?:cc?|cpp|cuh?|h(?:pp)?):(?:\w{1,80}:)?\d{1,6}: (?:non-zero status: -?[1-9]|NULL value\b|error status: -?\d)/,
    /^(?:\/\S{1,300}\.(?:cpp|cu):\w{1,80}:\d{1,6}:|libfabric:\d{1,10}:[^<]{1,160}<warn>) (?=.*\b(?:fail\w*|errors?|invalid|not valid|fatal|cannot|unable|missing|out of)\b)/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);

const isOfForm = (text: string): boolean =>
  [
    FAILED_FORM,
    FATAL_AT,
    STATUS,
    OF_RUNTIME,
    RAISED_WITHIN,
    OF_SYSTEM,
    CHECKED,
    SIGNALLED,
    BRACKETED,
    OF_SHELL,
    BEFORE_PROGRAM,
    MARKED,
    NUMBERED,
    LINKED,
  ].some(form => form.test(text));

/** An exception of a log whose frames another program left out. */
const EXCEPTION_WITHIN = /^\s+(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception): \S/;

/** What another program said, further in: an error by its form is no frame. */
export const isNested = (text: string, above: string): boolean =>
  isHeading(above) ||
  (/^\s/.test(text) &&
    MAY_FAIL.test(text) &&
    (FAILED_FORM.test(text.trimStart()) ||
      MARKED.test(text.trimStart()) ||
      EXCEPTION_WITHIN.test(text)));

/** An exception of Java, whatever its class is called, below what a logger says of the task that it ended. */
export const OF_JAVA = /^(?:[a-z_]\w{0,40}\.){2,10}[A-Z][\w$]{0,80}: \S/;

/** A logger's level is enough where something is said behind it. */
const WORDS = /\b(?:[a-z]{2,40}[\s,.:']{1,3}){3}/i;

/** Whether it is an error by its form, whatever it says. */
export function looksFailed({ level, text }: Line, above: string, mayFail: boolean): boolean {
  if (WHAT.test(text) || (isHeading(above) && !MEASURED.test(text))) {
    return !isHarmless(text) && !QUOTES.test(text) && (WHAT.test(text) || !isHeading(text));
  }
  if (level !== 'plain' && level !== 'error') return false;
  if (!mayFail && (level === 'plain' || !WORDS.test(text))) return false;
  if (level === 'plain' && !isOfForm(text) && !(OF_JAVA.test(text) && MAY_FAIL.test(above)))
    return false;
  if (isHeading(text) || QUOTES.test(text) || isHarmless(text)) return false;
  return noticedOfOthers(text) === undefined;
}

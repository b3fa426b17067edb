import { tellsOfOther } from './of-others.ts';

/** Lines that hold the words of a failure and tell of none, or of one that ended nothing. */

/**
 * What is written as an error and ends nothing, or comes of the end. Each is what a line says of its own error: the
 * word alone may be the name of a setting (`ignore_index`), or deny it (`no retry left`).
 */
const HARMLESS = new RegExp(
  [
    /\b(?:will|entering|going to|about to) retry\b|\bretry (?:loop|in|after)\b/,
    /\b(?:has|have|is|are|was|were|successfully) recovered\b|(?<!\bnot (?:be )?)\brecovered from\b/,
    /pip's dependency resolver/,
    // A row of MPICH's error stack that says nothing, who only says that it ends, and a plugin that Slurm does without.
    /^\s{0,4}(?:\d{1,6}: )?\w{3,60}\(\d{1,6}\)\.{2,60}:\s*$|^\s{0,4}exiting with an error\W*$|\bspank: \S{1,60}: Plugin file not found\b/,
    // The rule of PETSc's errors.
    /\bPETSC ERROR: (?:-{4,200}|\W{0,4}$)/,
    // A bar of tqdm, whatever level its stream is logged with.
    /\d{1,3}%\|[^|]{0,80}\| {0,4}[\d.]{1,12}[kMG]?\/[\d.]{1,12}[kMG]? \[[^\]]{0,200}\]?\s*$/,
    // Slurm as it ends a step, and the head of torchrun's report.
    /\b_step_signal: Terminating\b|^\S{1,80}\.py FAILED\s*$/,
    /\berror: (?:subprocess-exited-with-error|metadata-generation-failed)\s*$/,
    /(?:^|\s)[×x] (?:.{1,200} did not run successfully\.?\s*$|encountered error while (?:generating package metadata|trying to install package))/,
    /\bthis error originates from a subprocess\b/,
    /\bdeprecat(?:ed|ion)\b(?!.*\b(?:has|have|was|were|been) removed\b)|\bwill be removed\b/,
    /\bcannot (?:enable|set) socket (?:busy poll|to SO_|SO_|TCP_)|\bwill not write a timeline\b/,
    /\b(?:ignoring|(?:is|are|was|were|be|been|exceptions?|errors?) (?:safely )?ignored|ignored? (?:this|the|it|in|for)\b|safely ignored?)\b/,
    /\(ignored\)|: ignored\.?$/,
    /\bfalling back\b|\bfall(?:s|ed)? ?back (?:to|on)\b|\bfell back\b|\busing (?:a |the )?fallback\b/,
    /\bleaked \w+/,
    /\b(?:is|are|was|now|already|while|during|on|at|server|process(?:es)?) (?:\w+ )?shut(?:ting)? ?down\b/,
    /^(?:\W|\w+: )*shutting down\b|\bshut ?down (?:complete|requested)/,
    /\bclean shutdown is not currently implemented\b/,
    /\bgraceful(?:ly)?\b(?! (?:\w+ )?(?:fail|timed|timeout))/,
    /\bgot async \w{0,8} ?event ?: (?:client reregist|port active|path mig|[\w ]{2,12} change)/,
    /\bout of range:no more nodes exist\b|\bat ?exit\b(?!\w)/,
    /\b(?:during|while|in|on|at) clean(?:ing)? ?-?up\b|\bcleaning up\b/,
    /\bclean ?up (?:of|failed|error)\b|\b(?:to|objects to) clean ?up\b/,
    /\b(?:been|being|while|before|during) destroy(?:ed|ing)\b|\bdestroy_process_group\b/,
    /\b(?:no|without|0) errors?(?= (?:found|occurred|detected|reported|were|was|in)\b|\W*$|[.,;)])/,
    /\berrors?\s*[:=]\s*0\b/,
    /error(?: rate)?\s?[:=]\s?[-+]?\d{0,9}\.\d{1,20}(?:e[-+]?\d{1,4})?%?(?![\w.])/,
    /\b(?:starting|start|training|begin(?:ning)?) (?:from scratch|fresh|anew|over)\b/,
    /\b(?:using|use|running on|defaulting to) (?:the )?(?:cpu|default)\b/,
    /^(?!.{0,60}\b(?:exceeded|invalid|unsupported|not allowed)\b)[\w /-]{1,60}: \d{1,9}(?: (?:of|in|out of) [\w ]{1,40})?\s*$/,
    /^(?:WARNING:? +)?[^:]{0,40}\bfile (?:doesn't|does not) exist in container, not updating$/,
    /\bis over \d{1,3}% full, available space: \d|\bhas constructor arguments in the object store\b/,
    /\bmetrics will not be exported\b|\binitialize the metrics agent\b/,
    /^(?=warning: ).{0,300}\bcache has been disabled\.|, logging to (?:stdout|stderr|the console)\b/,
    /\bunable to (?:create environments file|register environment)\b/,
    /\brequired to save notebook history\b|\bno preset parameters were found\b/,
    /\bexiting with failure status due to previous errors\b|\berror is not recoverable: exiting now\b/,
    /^-- (?:Performing Test|Looking for|Could NOT find|Check)\b/,
    // GROMACS, and whoever only notes; the end of a data set (tensorflow/core/framework/local_rendezvous.cc).
    /^note: |\bwill not use\b|\bout[_ ]of[_ ]range: end of sequence\b/,
    /\bcodegen failed for some reason\b|_close with outstanding requests\b|\bnon-?fatal\b/,
    /\bnot an error\b|\bkey not found" key=\S+ default=|^\W*$|\bresource_tracker\b/,
    /\b(?:has|have) sent help message\b|\bfailed to open libibverbs\b/,
    /\b(?:Syntax|Future|PendingDeprecation|Resource)Warning: |\bslow_operation_alarm\b/,
    /\bvery slow compile\b|\bnot a git repository\b|\bsetting \w+ to \S+$/,
    /\bno (?:access to tty|job control in this shell)\b/,
    /\bno version information available \(required by\b/,
    // What mixed precision answers a step with.
    /\boverflow\b.{0,120}\b(?:reducing|setting|decreasing|lowering) (?:the )?(?:loss[_ ]scale|scale|to)\b/,
    /\bcancell?ed before terminating\b|^GROMACS reminds you:/,
    // What torchrun heads its report with.
    /^\S{1,200} FAILED\s*$/,
    /\bis not a failure\b|^mkdir: .{1,200}: file exists\b|^rm: cannot remove\b/,
    // A call of NCCL that only passes a status on; a service that is there again.
    /\bNCCL WARN \S{1,120}:\d{1,6} -> \d{1,3}\b|\bresuming normal operation\b|\berrors? (?:has been |was )?resolved\b/,
    // Kubernetes, of a write that a controller makes anew; Go's net/http of a server that was closed.
    /\bthe object has been modified; please apply your changes\b|\bhttp: Server closed\b/,
    /^(?:mbind|set_mempolicy|get_mempolicy|sched_setaffinity): /,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);

/** What is tried again has ended nothing yet. */
const RETRIES =
  /(?<!\b(?:not|without|after|longer|stopped|stop|before|of|up) )\bretrying\b(?! \(Retry\(total=0,)|\bwill retry\b|\bretry loop\b|\bretry (\d+)\s?(?:\/|of)\s?(?!\1\b)\d|\battempt (\d+)\s?(?:\/|of)\s?(?!\2\b)\d/i;
/** So many lines below, a library says that it tries again. */
const RETRIES_WITHIN_LINES = 2;

/** A handler of a signal that stands ready, a setting and its value. */
const ANNOUNCES =
  /\b(?:install|register|enabl|set up|setting up)\w*\b.{0,60}\b(?:handler|hook|listener)s?\b|\b(?:handler|hook|listener)s?\b.{0,20}\b(?:installed|registered|enabled)\b|\b(?:failure|notice|preemption|signal|sigterm|interruption|timeout)["']?(?: ?[:=] ?["']?| )(?:(?:true|false|on|off|yes|no|none|enabled|disabled)\b|\d[\d.:]* ?(?:m?s|sec(?:ond)?s?|m(?:in(?:ute)?s?)?|h|hours?)?(?:[,;)\s]|$))/i;
const HAPPENED =
  /\b(?:timed out|exceeded|expired|reached|fail(?:ed|s)\b|lost|dead|died|node failure on|got signal|caught signal|received sig(?:nal|term))/i;
const CAN_BE_ANNOUNCED = /^(?:told-to-stop|preempted|rendezvous|agent-lost)$/;

/** Mixed precision leaves out a step and goes on; a count of none is none. */
const STEP_LEFT_OUT =
  /\bskip(?:s|ped|ping)\b(?! limit| budget| count)(?<!\b(?:not|many|of|max|without) \w+)|\bskip (?:this|the|a)\b|\bskipped iterations: {1,8}[1-9]|\b(?:nans? found|found (?:infs?|nans?)|nan or infs?)\b["']?\s*[:=]\s*(?:0|false|no|none)\b/i;

/** The best that there was, before there was any. */
const NONE_YET =
  /\b(?:best|min(?:imum)?|lowest|prev(?:ious)?)[_ -](?:[a-z]{1,20}[_ -]){0,2}loss\W{1,4}inf\b/i;

/** It says itself that it goes on without. */
const DOES_WITHOUT =
  /\(ignored\)|: ignored\.?\s*$|[,;] (?:trying|using|caching|connecting) [\w"]|\b(?:fall(?:s|ing) ?back|fall ?back (?:to|on)|skipping|ignoring|proceeding without|continuing|will (?:be (?:skipped|ignored|disabled)|(?:not be|be) used|(?:use|skip|ignore|disable|continue) ?(?:\w+ )?(?:the|it|its|with|without|default|instead)))\b/i;

/** gpu-burn's verdict of one GPU; a summary counts them. */
const FAULTY = /^\s*GPU \d{1,4}: FAULTY\s*$/;
/** slurmstepd (src/slurmd/slurmstepd/req.c) and salloc; a client cancels its request, too. */
const OF_SLURM = /\*\*\* (?:job|step) |\bjob allocation\b/i;
/** What is not there yet may come. */
const WAITS = /\b(?:waiting for|polling|not \w+ yet)\b/i;
/** What could not be loaded is done on the CPU. */
const ON_CPU = /\b(?:decoding|encoding|running|computing|executing)\b.{0,40}\bon (?:the )?cpu\b/i;

/** What could not be taken away ends nothing. */
const TIDIES = /\b(?:could not|couldn't|failed to|unable to) (?:remove|delete|unlink|clean ?up)\b/i;
/** It may have ended the program all the same. */
const IS_ERROR = /^(?:error|fatal)\b|^(?:\w+\.){0,8}\w*(?:Error|Exception): /i;

const GPU_FAULT =
  '(?:uncorrectable|double[- ]bit|fallen off|gpus? (?:is|are|was) lost|s?xid|ecc|nvlink|dbe)\\b';
/** It speaks of faults of GPUs and has seen none: denied, asked for, quoted, a setting, an echo of a command. */
const SPEAKS_OF = new RegExp(
  [
    `\\b(?:no|not|without|never|any|zero|whether)\\b(?: [\\w-]{1,20}){0,4} ${GPU_FAULT}`,
    `\\b(?:check(?:ing|s|ed)? (?:for|of)|simulat\\w{1,6}|if (?:you|we|it|there) \\w{1,12}|will \\w{1,20} (?:\\w{1,20} )?(?:on|after|upon|for))\\b.{0,40}${GPU_FAULT}`,
    `${GPU_FAULT}[^:;]{0,60}(?:\\?|(?::|=|--|-)\\s?(?:no|none|not|false|ok|pass(?:ed)?|0)\\b)`,
    `^["'{\\s]{0,4}(?:prompt|question|response|answer|user|assistant|system|note|usage|policy|generated|text)["']?\\s?:`,
    `^\\+{1,4} \\S|[\\w-]=["'][^"']{0,200}${GPU_FAULT}|--[\\w-]{1,40}[= ]["'][^"']{0,200}${GPU_FAULT}`,
  ].join('|'),
  'i',
);

/** What a library gives back as it ends. */
const GIVEN_BACK =
  /\bde-?register(?:ing)?\b.{0,120}\bfailed\b|\bfailed to (?:de-?register|unregister|unmap)\b/i;

/**
 * busybox asks for the name of its own server first; slurmstepd has lost a task that has ended; MVAPICH says what
 * errno was, whatever failed (`: No such file or directory (2)`); a container has no tools of a desktop.
 */
const OF_TOOL_ITSELF =
  /\b(?:xdg-[\w-]{1,20}|zenity|pactl|dbus-launch): (?:command )?not found\b|\bcan't resolve '\(null\)'|\bwrite to unblock task \d|^\s{0,8}: [A-Z][\w ]{3,60} \(\d{1,3}\)\s*$/;

/** A limit that is only told, or of what may come of it; who ran into it has failed at something. */
const LIMIT_TOLD =
  /\b(?:u?limits?|maximum|max)\b(?: \([^)]{0,30}\))?\s?(?:is|are|=|:|of|set to)\s?["']?(?:\d|unlimited)|\b(?:may|might|can|could) (?:occur|happen|arise|follow)\b/i;
const RAN_INTO =
  /\b(?:exceed\w*|reached|failed|cannot|can't|couldn't|unable|over|hit|killed|errno|error:)/i;
const OF_LIMITS = /^(?:open-files|process-limit|locked-memory|shared-memory|host-memory)$/;
export const onlyTellsLimit = (id: string, text: string): boolean =>
  OF_LIMITS.test(id) && LIMIT_TOLD.test(text) && !RAN_INTO.test(text);

/** Whether a line whose words mean a failure tells of none; `below` are the lines after it. */
export function tellsOfNone(
  id: string,
  layer: string,
  text: string,
  below: readonly string[],
): boolean {
  if (CAN_BE_ANNOUNCED.test(id)) return ANNOUNCES.test(text) && !HAPPENED.test(text);
  if (OF_TOOL_ITSELF.test(text)) return true;
  // The driver checks itself, and no program.
  if (id === 'assertion' && /\bNVRM: /.test(text)) return true;
  if ((layer === 'fabric' || id === 'host-memory') && GIVEN_BACK.test(text)) return true;
  if (layer === 'hardware' && SPEAKS_OF.test(text)) return true;
  if (onlyTellsLimit(id, text)) return true;
  if (id === 'wrong-results') return /\bfaulty\b/i.test(text) && !FAULTY.test(text);
  if (id === 'job-cancelled') return !OF_SLURM.test(text);
  if (id === 'library-status') return WAITS.test(text);
  if (id === 'not-finite') return STEP_LEFT_OUT.test(text) || NONE_YET.test(text);
  if (
    layer === 'configuration' &&
    (DOES_WITHOUT.test(text) ||
      (TIDIES.test(text) && !IS_ERROR.test(text)) ||
      [text, ...below].some(line => ON_CPU.test(line)) ||
      isReplaced(text, below))
  ) {
    return true;
  }
  return (layer === 'fabric' || layer === 'host') && isTriedAgain(text, below);
}

/** The line below says what it takes instead. */
const INSTEAD =
  /\b(?:setting|using|defaulting|reverting|switching)\b.{0,40}\b(?:to|instead|default\w*)\b|\b(?:continu(?:e|ing)|proceed(?:ing)?|go(?:ing)? on|carry(?:ing)? on) without\b/i;
/** Nothing is taken in place of memory that there is not. */
const OF_MEMORY = /\bout of (?:[\w-]+ ){0,2}memory\b|\boom\b|\bcannot allocate\b/i;
/** It makes anew what it could not read. */
const ANEW =
  /\b(?:from scratch|start(?:s|ing|ed)? (?:fresh|anew|over)|recomputing|rebuilding|regenerating)\b/i;
const isReplaced = (text: string, [next = '']: readonly string[]): boolean =>
  !FATAL.test(text) &&
  !OF_MEMORY.test(text) &&
  (ANEW.test(next) || (INSTEAD.test(next) && sharesWord(text, next)));

/** What ends a program is not tried again by what stands below. */
const FATAL = /^\W{0,4}fatal\b/i;
const AGAIN_ALONE = /^\W{0,8}(?:(?:will|now) )?(?:retry(?:ing)?|retries|attempt)\b/i;
/** Words that any error and any retry may share. */
const COMMON_WORD = /^(?:attem|retry|error|faile|could|canno|unabl|again|after|secon|info|warni)/;
const stemsOf = (text: string): readonly string[] =>
  [...text.toLowerCase().matchAll(/[a-z]{4,40}/g)]
    .map(([word]) => word.slice(0, 5))
    .filter(stem => !COMMON_WORD.test(stem));

/** Whether a line says that what failed is tried again, or one below that names nothing else. */
export function isTriedAgain(text: string, below: readonly string[]): boolean {
  if (RETRIES.test(text)) return true;
  if (FATAL.test(text)) return false;
  if (isReplaced(text, below)) return true;
  return below
    .slice(0, RETRIES_WITHIN_LINES)
    .some(line => RETRIES.test(line) && (AGAIN_ALONE.test(line) || sharesWord(text, line)));
}

/** Two lines of one library about its network, in different words. */
const OF_NETWORK =
  /connect|refused|reset|time[d-]? ?out|socket|unreach|\b(?:tcp|http|grpc|client|server)\b/i;

function sharesWord(text: string, line: string): boolean {
  if (OF_NETWORK.test(text) && OF_NETWORK.test(line)) return true;
  const stems = new Set(stemsOf(text));
  return stemsOf(line).some(stem => stems.has(stem));
}

export const isHarmless = (text: string): boolean =>
  HARMLESS.test(text) || OF_TOOL_ITSELF.test(text) || tellsOfOther(text);

/** A note says what it does instead, counts none, or names what a program takes where it is there. */
const GOES_ON = new RegExp(
  [
    /[,;:.-] {0,2}(?:so |and |but |will |now |then |we |it )?(?:us(?:e|es|ing)|build(?:s|ing)?|creat(?:e|es|ing)|leav(?:e|es|ing)|skip(?:s|ping|ped)?|disabl(?:e|es|ing|ed)|reconnect(?:s|ing|ed)|resum(?:es|ing|ed)|compil(?:e|es|ing)|generat(?:e|es|ing)|default(?:s|ing)|keep(?:s|ing)?|continu(?:e|es|ing)|proceed(?:s|ing)|trying|switch(?:es|ing)|initiali[sz](?:e|es|ing)|assum(?:e|es|ing)|ignor(?:e|es|ing|ed)|drop(?:s|ping|ped)|running (?:on|with|without))\b(?! (?:the )?(?:job|program|run|process|training|failed|due)\b)/,
    /^\W*(?:skip(?:ping|ped)|ignor(?:ing|ed)|dropp(?:ing|ed)|disabl(?:ing|ed)|fall(?:ing|s) back|leaving out)\b/,
    /\b(?:metrics|telemetry|monitoring|logging|tracing|profil\w{1,6}|stat(?:istic)?s|reporting|progress bars?) (?:are |is |will be |has been )?(?:disabled|off|unavailable)\b/,
    /\b(?:0|no|zero) (?:failed|failures?|errors?|times|skipped|dropped|timeouts?|retries)(?=\W*$|[,;.])|\bfailed 0\b/,
    /\b(?:failed|errors|timeouts|timed out|skipped|dropped|rejected)\s?[:=]\s?\d{1,9}\b/,
    /\bcapture skipped\b|\bwill (?:keep|continue|try|use|be (?:skipped|ignored|used|created))\b/,
    /\b(?:xformers|flash[-_ ]?att\w{0,7}(?:[- ]\d)?|sage ?attention|apex|triton|tensorboard\w?|wandb|pynvml|torchvision|torchaudio|tensorrt|onnx\w{0,8}|liger\w{0,8}|transformer[ _]engine|opencv|cupy|numba|tqdm|rich)\b (?:(?:package|library|module) )?(?:is |was )?not (?:available|installed|found)\W*$/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
export const goesOn = (text: string): boolean => GOES_ON.test(text);

/** A tool of a start script, and libraries that do without what they cannot write. */
const TOOL =
  /^(?:\/(?:\S{0,60}\/)?)?(?:cat|ls|cp|mv|rm|ln|ldd|chown|chmod|mkdir|rmdir|touch|find|grep|tar|stat|df|du|id|mount|umount|ip|ifconfig|lspci|lscpu|numactl|ldconfig|head|tail|sed|awk|which|source|ulimit|sysctl|hostname|date|sort|uname|free|ps|top|getopt|cut|tr|uniq|wc|xargs|nproc|timeout|tee|base64|realpath|readlink|mktemp|seq|sleep|env|curl|wget|ping|nc|bash|sh|dash|zsh|[\w.-]{1,60}\.sh): |^mkdir -p failed for path|^[\w.-]{1,60}: command not found|^wandb: (?:ERROR|WARNING)\b/;
/** A tool that only looks, and without which the program starts all the same. */
const LOOKS =
  /^(?:\/(?:\S{0,60}\/)?)?(?:cat|ls|ldd|stat|df|du|id|find|grep|head|tail|which|ip|ifconfig|lspci|lscpu): /;
export const isOfTool = (text: string): boolean => TOOL.test(text);
export const isLookingTool = (text: string): boolean => LOOKS.test(text);

/** A display, a browser, a bus of the desktop, another maker's decoder: a program looks whether there is one, and does without. */
const PROBES =
  /\bopen (?:an? |the )?(?:X )?display\b|XSERVTrans\w+|\.X11-unix\b|\bxkbcomp\b|\bxdg[-_]\w|\bd-?bus\b|\bweb ?browser\b|\blibva\b|\bva-?api\b|\bva(?:Get|Init|Create|Open)\w+|\bva display\b|\blibGLX?\b|\bMESA-LOADER\b|\bGL is disabled\b|\balsa\b|\bpulse ?audio\b|\bx11\.so\b/i;
export const isProbe = (text: string): boolean => PROBES.test(text);

/**
 * A row of data, a tag, what grep found in another log: a line may be all that tells of an error, and more likely is
 * one that somebody else wrote. A logger's JSON names its message or its error.
 */
const OF_OTHERS =
  /^(?:\[\s?)?\{\s?(?!.*["'](?:level|severity|levelname|msg|message|error|err|exception|reason)["']\s?:)["']|^<\/?[a-z][\w-]{0,20}(?: [^<>]{0,200})?>|^(?:[\w.-]{0,60}\/){0,12}[\w.-]{1,100}\.(?:log|txt|out|err|jsonl?|csv|tsv|md|html?)(?:\.\d{1,3})?:(?:\d{1,9}:)?\S/i;

const OF_TOOLS = /^(?:file-missing|permission|container-no-smi|arguments|name-resolution)$/;
/** Programs log of these and go on. */
const OFTEN_PASSES =
  /^(?:file-missing|permission|name-resolution|import|container-no-smi|preempted|not-finite|simulation-unstable|storage)$/;

/** The loader of programs (glibc, elf/rtld.c) starts none after this, and a server serves no such model. */
const ENDS_IT = /: error while loading shared libraries: |\| UNAVAILABLE: /;

/**
 * How little a line alone weighs that is no exception: a tool's is the cause where nothing else can be
 * one, and after the others a program often goes on.
 */
export function weaknessOf(id: string, text: string): 'tool' | 'passes' | undefined {
  if (ENDS_IT.test(text)) return undefined;
  if (/\bthrown while requesting\b/.test(text)) return 'passes';
  if ((OF_TOOLS.test(id) && TOOL.test(text)) || OF_OTHERS.test(text)) return 'tool';
  return OFTEN_PASSES.test(id) ? 'passes' : undefined;
}

/** A service of the same machine: no network lies between. */
export const isLoopback = (text: string): boolean =>
  !/\bmlx\d_\d|\brdma\b|\bibv_/i.test(text) &&
  /\blocalhost\b|\b127\.0\.0\.1\b|(?<!\w)::1\]/i.test(text);

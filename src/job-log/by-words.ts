import type { Blame } from '../contract/finding.ts';
import { allJobTexts, type Meaning } from './job-texts.ts';
import { noticedOfOthers, tellsOfGone, whyEnded } from './of-others.ts';
import { KINDS, type Kind } from './word-kinds.ts';

const APPLICATION_ADVICE =
  'A fault of the program, its input or its settings: see the traceback in its log.';

/** Exceptions whose class says it, whatever they are of. */
const CLASSES: readonly (readonly [RegExp, Blame])[] = [
  [
    /^(?:New|Client|Server|API)?Connect(?:ion|or)?(?:Timeout)?Error$|^(?:Connect|Read)Timeout(?:Error)?$|^Remote(?:Disconnected|ProtocolError)$|^(?:ClientPayload|HTTPClient|ContentTooShort|FSTimeout|Service(?:Request|Response))Error$|^NoBrokersAvailable$|^PoolTimeout$|^timeout$|^ServerDisconnectedError$|^MaxRetryError$|^ProtocolError$|^SSL(?:EOF)?Error$|^gaierror$|^URLError$|^CommError$|^IncompleteRead/,
    'fabric',
  ],
  [
    /^(?:Driver|NoDevice|NvmlInit|Nvvm|Cuda(?:Driver|Setup|Support)|LibraryNotFound|Dependency)\w*(?:Error)?$/,
    'configuration',
  ],
  [
    /^(?:Import|ModuleNotFound|FileNotFound|Permission|NotADirectory)Error$|^(?:Forbidden|Unauthorized|Unauthenticated|AccessDenied|PermissionDenied|Credential|Authentication|Authorization)\w*$|^(?:Partial|No|Invalid|Expired)Credentials?\w*$|^(?:Profile|Config)NotFound$|^(?:Conda|LibMamba|Unsatisfiable|NoWritableEnv|EnvironmentLocation|ResolvePackage|PackagesNotFound)\w*$/,
    'configuration',
  ],
  [/^UCXError$/, 'fabric'],
  // Java's.
  [
    /^(?:UnknownHost|FileNotFound|NoSuchFile|AccessControl|AccessDenied|ClassNotFound)Exception$/,
    'configuration',
  ],
  [
    /^(?:(?:Http)?Connect(?:Timeout)?|SocketTimeout|NoRouteToHost|AnnotatedConnect)Exception$/,
    'fabric',
  ],
];

const ofLayer = (layer: Blame) => KINDS.find(one => one.layer === layer);

/** What a program raises of its own values: a capacity, a link or a connection in its words is one of its model. */
const OF_VALUES =
  /^(?:Key|Type|Name|Index|ZeroDivision|UnboundLocal|NotImplemented|Syntax|Value|Assertion|Attribute)Error$/;
const OF_OTHERS: readonly Blame[] = ['host', 'fabric'];

/** It quotes a name or a line of the program alone. */
const OF_NAMES = /^(?:Key|Index|UnboundLocal|ZeroDivision|Syntax|Indentation|Tab)Error$/;

const kindOf = (text: string, exception = ''): Kind | undefined => {
  if (OF_NAMES.test(exception)) return undefined;
  const named = CLASSES.find(([classes]) => classes.test(exception));
  const found = KINDS.find(
    ({ layer, words }) =>
      words.test(text) && !(OF_VALUES.test(exception) && OF_OTHERS.includes(layer)),
  );
  return found ?? (named && ofLayer(named[1]));
};

/** Words of a program that was given what it does not take. */
const GIVEN =
  /\b(?:unknown|invalid|unsupported|unrecogni[sz]ed|illegal|bad|unexpected|incorrect|wrong|missing|duplicate|undefined)\b|\bmust\b|\bneeds? at least \d|\b(?:have|has|needs?) to (?!be installed)|\bexpect(?:ed|s|ing)\b|\bnot (?:valid|supported|divisible|implemented|defined|allowed|equal|recogni[sz]ed)\b|\bmismatch\b|\bout of (?:range|bounds)\b|\bassert|\bcheck failed\b|\boverflow\b|\b(?:parse|understand|interpret)\b|\bsyntax\b|\btoo (?:long|many|few|large|small|short)\b|\bcorrupt|\bnot positive\b|\bsingular\b|\bdiverge|\bconverge/i;

/** LAMMPS, and who else writes where in its own source it gave up: `ERROR: Lost atoms (src/thermo.cpp:427)`. */
const AT_SOURCE =
  /^(?:fatal )?error\b.{0,400}\((?:[\w.-]{1,64}\/){0,8}[\w-]{1,64}\.(?:cc?|cpp|cxx|cuh?|hpp?|[fF]\d\d):\d{1,6}\)\s*$/i;

/** R: `Error in f(x) : object 'x' not found`. */
const OF_R = /^Error in .{1,200} : /;

/** A call of a library that the program uses has failed: who called it wrongly, and whether anybody did, is not told. */
const OF_CALL =
  /\bUC[XC] {1,2}ERROR\b|^libfabric:|\bNET\/OFI\b|\b(?:nccl|cu(?:da|dnn|blas|fft|sparse|solver))(?:[A-Z_]\w*|\w{0,20} (?:error|failure|status|runtime|driver|api)\b)|\b(?:CU(?:DA|DNN|BLAS|FFT|SPARSE|SOLVER)|NCCL)(?:_\w+| (?:error|failure|warn|status|runtime|driver)\b)/i;
/** NCCL's own checks of what a program asks it for. */
const OF_ARGUMENTS =
  /\b(?:argcheck|group|enqueue|dev_runtime)\.cc:\d{1,6} (?:\(\w{1,80}\) )?NCCL WARN (?!.*\bfailed\b(?! on rank\b))/;
/** What is no part of the program: the driver, a scheduler and its tools, the daemons of MPI. */
const OF_OTHERS_HAND =
  /\b(?:NVRM|amdgpu|nvidia-\w+|salloc|srun|sbatch|slurm\w*|pmix\w*|ucx|orte\w*|prte\w*|opal|kubelet|containerd|raylet|gcs_server|wandb|from server|hostengine|dcgm|nvshmem\w*|oneccl|ccl_error|p?mpi\w*)\b/i;
/**
 * Of a machine, its links or its GPUs: who says so by default is no proof that it was the program, nor that it was
 * not. What a GPU is asked for (memory, a version, to be there) is none of it.
 */
const OF_MACHINE = new RegExp(
  [
    /\bNVRM: |\bs?xid\b|\becc\b|\b(?:dbe|sbe)s?\b|\buncorrectable\b|\bnv-?(?:link|switch)(?:es|s)?\b(?! (?:fatal|error|warning) {2,4}:)|(?<!\b[A-Z]{1,2}\d{1,3}[A-Z]?[ -])\bpci(?:e|-?express)\b|\bhbm\d?\b|\binforom\b/,
    /\brow[- ]?remap\w{0,12}|\b(?:retired|pending|blacklisted) pages?\b|\bpage retirements?\b|\b(?:hardware|thermal|power supply|firmware|gsp) (?:error|failure|fault|exception|violation|slowdown|shutdown|problem)s?\b|\boverheat\w{0,6}|\bmachine check\b/,
    /\b(?:ib|infiniband|roce|rdma|nics?|hcas?|ethernet|mlx\d_\d{1,3}|adapters?)\b.{0,40}\b(?:down|degraded|lost|gone|flap\w{0,5}|polling|unhealthy|faulty|inactive)\b|\b(?:port|link)\b.{0,40}\b(?:down(?!-)|degraded|flap\w{0,5})\b/,
    /\b(?:gpus?|sm|device|driver|node)\b.{0,40}\b(?:lost|fallen|fell|unhealthy|faulty|hung|hangs|degraded|temperature|broken|defective|reboot(?:ed)?|(?:requires?|needs?|wants?)\W{1,3}(?:an? )?(?:gpu )?reset|(?:not|no longer) (?:answer|respond)\w{0,4}|health ?check)\b/,
    /\b(?:unhealthy|faulty|broken|defective|degraded|bad|lost|dead|hung) (?:gpus?|nodes?|adapters?|links?)\b|\bhealth ?check\b.{0,60}\b(?:gpus?|nodes?)\b/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
/** Whether a line's own words tell of a machine; a network that does not answer is none. */
export const tellsOfMachine = (text: string): boolean => OF_MACHINE.test(text);

/** Of a signal that programs make themselves, and of numbers that are none. */
const CRASHED = /\bnans?(?:\(s\))?\b|\bsig(?:segv|fpe)\b|\bsegmentation fault\b|\bsignal \(?11\b/i;

/** So few words tell nothing. */
const SAYS_SOMETHING = /\b(?:(?:[a-z]{2,40}|a)\W{1,8}){4}[a-z]{2}/i;

/** Another process's, where one has only noticed it. */
const noticed = (text: string, exception: string): Meaning | undefined => {
  if (OF_VALUES.test(exception)) return undefined;
  const isClassed = CLASSES.some(([classes]) => classes.test(exception));
  if (isClassed && !tellsOfGone(text)) return undefined;
  const id = noticedOfOthers(text, exception);
  return id === undefined ? undefined : allJobTexts().find(row => row.id === id);
};

/** What an error says of others that did not come in time; that they have ended, a line below may explain. */
export const waitedInVain = (text: string): Meaning | undefined => {
  const found = noticed(text, '');
  return found?.id === 'rendezvous' ? found : undefined;
};

/** An exception of any language within a line of a logger: `Exception in thread "main" a.b.XException: text`. */
export const RAISED_WITHIN = /(?:^|[\s\])>|])(?:[A-Za-z_]\w*\.)*([A-Z]\w*(?:Error|Exception)): \S/;

/** Python's groups, those of torch's checkpoints and Ray's tasks stand before the exceptions that they hold. */
const GROUPS = /^(?:Base)?ExceptionGroup$|^CheckpointException$|^RayTaskError$/;

/** What more than a machine can be meant by: memory that was asked for, an address that does not answer. */
const isOfMachine = (text: string, found: Kind | undefined): boolean =>
  found?.layer !== 'application' && found?.layer !== 'fabric' && tellsOfMachine(text);
const OF_MACHINE_MEANING = {
  ...{ layer: 'unknown', action: 'watch' },
  advice:
    'Its words are of the machine: triage_gpu_node tells what the driver and the kernel log say.',
} satisfies Partial<Meaning>;

const OF_PROGRAM = {
  ...{ layer: 'application', action: 'restart_app', advice: APPLICATION_ADVICE },
} satisfies Partial<Meaning>;

/** It says how often it has tried, and not what went wrong: `Minimization failed after 100 attempts.` */
export const ONLY_COUNTED =
  /^[\w.]{1,100}: (?:[\w'-]{1,40} ){1,6}(?:failed|gave up|giving up|did not succeed) after (?:\w{1,20} )?\d{1,9} (?:attempts|retries|tries)\W*$/i;

/** An exception that no row knows: another rank's or the program's, unless its words or its class say otherwise. */
export function exceptionMeaning(exception: string, title: string, text: string): Meaning {
  const ofOthers = noticed(text, exception);
  if (ofOthers) return ofOthers;
  const role = GROUPS.test(exception)
    ? 'report'
    : ONLY_COUNTED.test(text)
      ? 'consequence'
      : 'cause';
  if (!OF_VALUES.test(exception) && isOfMachine(text, kindOf(text, exception))) {
    return { ...{ id: 'exception', role, title }, ...OF_MACHINE_MEANING };
  }
  const { layer, action, advice } = kindOf(text, exception) ?? OF_PROGRAM;
  return { id: 'exception', role, layer, action, title, advice };
}

/** What the driver or the system refused: the model cannot help it. */
const REFUSED =
  /\boperation not (?:supported|permitted)\b|\bpermission denied\b|\bcuda driver\b|\bshared memory\b/i;

/** A path that a program joined with the sign of another system: `'/data/train\\\\a.xml'`. */
const OF_TWO_SYSTEMS = /'\/[^'\\]{1,300}\/[^'\\]{1,200}\\{1,2}[\w.-]/;

/** A repository without an owner, of which the hub says 401 as it does of one that is closed. */
const NO_OWNER =
  /\bhuggingface\.co\/(?:api\/(?:models|datasets)\/)?[\w.-]{1,96}\/(?:revision|resolve|tree)\//;
const OF_NO_OWNER = {
  ...{ layer: 'application', title: 'The hub has no repository of this name' },
  advice:
    'Give the name with its owner (owner/name), or look why a folder of this name is missing.',
} satisfies Partial<Meaning>;

/** Who could not load a model passes on why; the hub names what it was asked for in the lines below. */
export function ofItsWords(meaning: Meaning, text: string, below: readonly string[]): Meaning {
  if (meaning.id === 'model-load' && REFUSED.test(text)) {
    return { ...meaning, layer: 'configuration' };
  }
  if (meaning.id === 'file-missing' && OF_TWO_SYSTEMS.test(text)) {
    return { ...meaning, ...OF_PROGRAM };
  }
  const isUnowned =
    /\bRepositoryNotFoundError\b/.test(text) && NO_OWNER.test([text, ...below].join(' '));
  return isUnowned ? { ...meaning, ...OF_NO_OWNER } : meaning;
}

/**
 * Who starts the program: Slurm, and Apptainer (sylog pads its levels, `FATAL:   `, its starter `ERROR  : `) or enroot. Its
 * name is no word of what it says, and what it says is of the place where it starts it.
 */
const STARTERS: readonly (readonly [RegExp, Blame])[] = [
  [/^(?:srun|sbatch|salloc|slurmstepd|slurmd)(?:-[\w.-]{1,64})?: (?:error|fatal): /, 'host'],
  [/^(?:FATAL: {3}(?=\S)|(?:ERROR|ABORT) {2}: |enroot-\w{1,20}: )/, 'configuration'],
  // Engines and runtimes of containers, what loads modules, NVIDIA's daemons.
  [
    /^(?:error: )?(?:docker|podman|crun|runc|ctr|buildah|shifter|sarus|ch-run|modprobe|insmod|rmmod|depmod|dkms|nvidia-(?:persistenced|modprobe|installer|fabricmanager))(?:\[\d{1,10}\])?: (?:error: )?/i,
    'configuration',
  ],
  // What sets the place up before it: apt, dpkg, the linker, mount, git, Intel's OpenMP.
  [
    /^(?:E: |dpkg: error |(?:\/\S{1,200}\/)?(?:[\w-]{1,60}-)?ld(?:\.\w{1,10})?: |collect2: |mount(?:\.\w{1,20})?: |fusermount\d?: |OMP: (?:System )?Error #\d{1,4}: )/,
    'configuration',
  ],
  [
    /^fatal: (?=repository |remote branch |could not read |unable to access |authentication |destination path )/i,
    'configuration',
  ],
];

/** A launcher's command is the job itself, whose own words stand elsewhere. */
const RUNS_JOB =
  /\.py\b|\b(?:torchrun|accelerate|deepspeed|horovodrun|mpi(?:run|exec)|srun|ray|bash|sh)\b|'-m', '(?!pip\b)/;

/** Tools whose failing says whose hand must move. */
const COMMANDS: readonly (readonly [RegExp, Blame])[] = [
  [/^(?:ssh|scp|ping|curl|wget|rsync|git(?:', '| )(?:clone|fetch|pull|ls-remote))\b/, 'fabric'],
  [
    /^(?:which|pip3?|conda|apt(?:-get)?|nvidia-smi|mount|modprobe|ldconfig)\b|^\S{0,80}', '-m', 'pip'/,
    'configuration',
  ],
];
/** Its first word without a path, and what follows: paths among its arguments say nothing of it. */
const COMMAND = /\bcommand '?\[?["']?(?:[^\s'",]{0,300}\/)?([^\s/'",].{0,200})/i;
/** How it ended is left out of what is judged: that is another one's end. */
const HOW_IT_ENDED = /(?:returned|died with).*/;
const kindOfCommand = (text: string): Kind | undefined => {
  const command = COMMAND.exec(text)?.[1] ?? '';
  const layer = COMMANDS.find(([words]) => words.test(command))?.[1];
  return layer === undefined ? kindOf(text.replace(HOW_IT_ENDED, 'failed')) : ofLayer(layer);
};

/**
 * What is read as a launcher's word of a job that ended, and tells of its own: a tool that the program called has
 * failed (`Command '['nvcc', '-V']' returned non-zero exit status 1.`), or why the other one ended stands behind it.
 */
export function ownFailure(text: string, exception = ''): Meaning | undefined {
  if (exception === 'CalledProcessError' && !RUNS_JOB.test(text)) {
    const { layer, action, advice } = kindOfCommand(text) ?? OF_PROGRAM;
    const title = 'A command that the program called failed';
    return { id: 'exception', role: 'cause', layer, action, title, advice };
  }
  const why = whyEnded(text);
  const found = why === undefined ? undefined : firstErrorMeaning(why);
  return found?.id === 'machine-words' || (why !== undefined && kindOf(why)) ? found : undefined;
}

/** A line that is an error by its form: nobody's, unless its words say whose. */
export function firstErrorMeaning(text: string): Meaning {
  const [starter, place] = STARTERS.find(([form]) => form.test(text)) ?? [];
  const found = kindOf(starter ? text.replace(starter, '') : text);
  const raised = RAISED_WITHIN.exec(text)?.[1];
  const named = raised === undefined ? undefined : kindOf(text, raised);
  const isGiven =
    OF_ARGUMENTS.test(text) ||
    ((raised !== undefined ||
      GIVEN.test(text) ||
      CRASHED.test(text) ||
      AT_SOURCE.test(text) ||
      OF_R.test(text) ||
      (SAYS_SOMETHING.test(text) && !OF_OTHERS_HAND.test(text))) &&
      !OF_CALL.test(text));
  const title = 'First error of the log; not a text that is known';
  if (!OF_VALUES.test(raised ?? '') && isOfMachine(text, named ?? found)) {
    return { ...{ id: 'machine-words', role: 'cause', title }, ...OF_MACHINE_MEANING };
  }
  const layer = (named ?? found)?.layer ?? place ?? (isGiven ? 'application' : 'unknown');
  return {
    ...{ id: 'first-error', role: 'cause', layer, title },
    action: (named ?? found)?.action ?? 'watch',
    advice: 'Read its log from this line on: the program says no more that is known.',
  };
}

import type { Action, Blame } from '../contract/finding.ts';
import { allJobTexts, type Meaning } from './job-texts.ts';
import { noticedOfOthers, tellsOfGone, whyEnded } from './of-others.ts';

/** What the words of an error say of whose hand must move, where no row of the table knows its text. */
interface Kind extends Pick<Meaning, 'layer' | 'action' | 'advice'> {
  readonly words: RegExp;
}

const kind = (layer: Blame, action: Action, advice: string, ...words: readonly RegExp[]): Kind => ({
  ...{ layer, action, advice },
  words: new RegExp(words.map(({ source }) => source).join('|'), 'i'),
});

const APPLICATION_ADVICE =
  'A fault of the program, its input or its settings: see the traceback in its log.';

const IMAGE_ADVICE =
  'Check the image and the mounts, rights and variables of the container for what it names.';

/** `10.0.0.7`, `tracker:5000` and not `train.py:88`, `http://store`. */
const ADDRESS =
  /(?:\b(?:https?|tcp|grpc|s3|gs|redis|nfs):\/\/\S|\b(?:\d{1,3}\.){3}\d{1,3}\b|\b[a-z][\w-]{0,62}(?:\.[\w-]{1,62}){0,8}(?<!\.(?:py|cc?|cpp|cuh?|h|hpp|rs|go|jl|java|[jt]s)):\d{2,5}\b)/;
const NETWORK_VERB =
  /(?<!\/|\bnever been )\b(?:connect\w{0,4}|reach(?:able|ed)?|resolv\w{1,3}|refused|unreachable|timed? ?-?out|respon(?:d|se))\b/;

/** The first whose words an error has. */
const KINDS: readonly Kind[] = [
  kind(
    'configuration',
    'fix_configuration',
    IMAGE_ADVICE,
    /\b(?:insufficient|out of|increase|raise|enough) (?:\w+ ){0,2}shared memory\b|\bshared memory (?:limit|segment|\(shm\))|\/dev\/shm\b/,
    /\blibrary is not linked\b|\bfailed to get (?:the |local )?ip\b/,
  ),
  kind(
    'application',
    'restart_app',
    'It asked for more than there is: lower what it asks for, or give it more.',
    /\boutofmemory|\bout of (?:[\w-]+ ){0,2}(?:memory|resources?\b)|(?<!memory\.)\boom\b(?!(?:-kill)? (?:killer|notifications|counts)\b|_control\b)|\bmemory budget\b/,
    /\bonly \S{1,12} ?[kmgt]i?b (?:\w+ ){0,3}(?:free|available|left)\b|\b(?:insufficient|not enough|no free|no more) (?:\w+ ){0,2}memory\b|\b(?:exceed\w*|over|gone over) (?:\w+ ){0,3}(?:memory|mem)(?: \w+)? limits?\b|\bmem(?:ory)? \S{1,20} exceeded limit\b/,
  ),
  kind(
    'host',
    'watch',
    'The service that it names did not serve: look at its state and its limits of requests.',
    /\bservice (?:is )?(?:temporarily )?unavailable\b|\bslow ?down\b|\breduce your request rate\b|\bthrottl/,
    /\bbad gateway\b|\bgateway time-?out\b|\binternal server error\b|\btoo many (?:requests|500 error)\b/,
    /\b(?:http(?:\/[\d.]+)?|status|code|error)\b[^\w]{0,4}(?:429|50[0-4]|52\d)\b|\b(?:429|50[0-4]|52\d)\b[^\w]{0,4}(?:client |server )?error\b/,
    /\bremote i\/o error\b|\binput\/output error\b|\bi\/o error\b/,
  ),
  kind(
    'configuration',
    'fix_configuration',
    IMAGE_ADVICE,
    /\bpull\w* (?:\w+ ){0,2}image\b|\blayer\b.{0,40}\b(?:verif\w+|digest|extract)|\bmanifest unknown\b|\bgated repo/,
    /\bpermission denied\b|\bpermission_denied\b|\be(?:acces|perm)\b|\b(?:no|not have|lacks?|insufficient|missing|without|required) (?:\w+ ){0,2}permissions?\b|\baccess[ _](?:is )?denied\b/,
    /\bunauthori[sz]ed\b|\bunauthenticated\b|\(forbidden\)|\b403 forbidden\b|\bforbidden for url\b|\b40[13]\b.{0,40}\b(?:token|client|auth|error)|\b(?:http|status|code|error)\b[^\w]{0,4}40[13]\b/,
    /\b40[134] (?:get|post|put|head|delete) |exception: \(40[134]\)|\b40[134], message=|\bno such object\b|\bresource_does_not_exist\b|\bnot authori[sz]ed\b|\binvalid_grant\b|\bssl ca cert\b|\bpermanentredirect\b|\bfile not found\b|\bmissing dependenc|\bpermission\b.{0,60}\bdenied\b|\bdoes not have\b.{0,60}\b(?:access|permission)/,
  ),
  kind(
    'fabric',
    'watch',
    'Look at the way to the address that it names: proxy, network policy, firewall, and whether anybody listens.',
    // The operating system's and gRPC's own words; else a verb of networks needs an address or a service beside it.
    /\bconnect(?:ion|\(\))? (?:was |is )?(?:refused|reset by peer|timed[ -]?out|aborted|closed by)\b|\b(?:network|host) (?:is )?unreachable\b|\bno route to host\b/,
    /\bstatuscode\.(?:unavailable|deadline_exceeded)\b|(?:^|[:(=["'] ?)unavailable: |\bconnection error\b|\blost connection to (?:the )?(?:\w+ )?(?:server|host|node|peer|master|broker|database|head|\S+:\d)|\bdeadline_exceeded\b/,
    /\b(?:request|download|upload|fetch)\w* failed after \d+ (?:retries|attempts)\b|\berror sending request\b|\bare you offline\b|\bsocket is not connected\b|\baws_io_(?:socket|dns|tls)|\brequesttimeout\b|\boperation timed out\b|\bssl_connect\b|\bgnutls recv error\b|\bearly eof\b|\bnetwork_connection\b|\b(?:failed to|could not|couldn't|cannot|unable to) (?:fetch|download|retrieve)\b.{0,40}https?:\/\//,
    /\bremote end closed\b|\btransport retry count(?:er)? exceeded\b|\bno active port\b|\blink is down\b|\bgot async\w* (?:\w+ )?event\b|\bgot completion\b.{0,120}\bwith (?:error|status)\b/,
    /\b(?:host|node|server|peer|address)\b.{0,60}\b(?:not |un)reachable\b|\btrying to connect\b|\b(?:failed|unable) to (?:connect to all|(?:complete|establish|open|make) (?:an? )?(?:\w+ )?connection)\b|\bconnectfullmesh failed\b/,
    new RegExp(
      `${NETWORK_VERB.source}.{0,80}${ADDRESS.source}|${ADDRESS.source}.{0,80}${NETWORK_VERB.source}`,
    ),
    /\b(?:connect|reach|resolve|contact)\b(?: to| with)?(?: \S+){0,3} (?:server|host|address|database|endpoint|service|proxy|gateway|master|scheduler|daemon|tracker|hub|registry|api|url)\b/,
  ),
  kind(
    'configuration',
    'fix_configuration',
    'Compare driver, CUDA, libraries and compiler of the image with what this GPU and this program want.',
    /\bno (?:[\w-]+ ){0,2}(?:gpus?|cuda|cuda-capable|nvidia driver|cuda driver|accelerators?|xpus?|hcas?|devices?|platforms?)\b.{0,40}\b(?:detected|found|available|visible|present)\b/,
    /(?<![-.\w])(?:vulkan|optix\w*|egl|opengl|glx)\b(?![-.]\w)|\bno registered\b.{0,40}\b(?:gpu|cuda|hip|rocm|opencl|platform)|\benough gpus\b|\b(?:detected|available|this) hardware\b|\bdriver (?:is )?not loaded\b|\bdriver does(?: not|n't) support\b|\bnot compatible\b.{0,40}\bversion|\bincompatible device\b/,
    /\b(?:gpus?|cuda|accelerators?)\b.{0,30}\bnot (?:available|detected|found|visible|accessible|usable)\b/,
    /\b(?:could not|couldn't|cannot|did not|failed to|unable to|not able to) (?:find|detect|see|access|load|locate|select|use|open|initiali[sz]e)\b.{0,30}\b(?:gpus?|cuda|nvidia|cudnn|nccl|tensorrt|accelerators?)\b/,
    /\brequires? (?:an? )?(?:(?:nvidia|cuda)[ -](?:capable )?)?(?:gpus?|cuda)(?: devices?| support)?(?:\W*$|[.;] )/,
    /\bis_available\(\) (?:should|must|is|was|returned?)\b|\bgpus? (?:is|are) (?:required|needed)\b|\b(?:cuda|gpus?|[hnx]pu|tpu)\b(?: devices?)? (?:is|are) (?:un|not )available\b|\brequires? (?:an? )?(?:sm\d\w{0,4}|blackwell|hopper|ampere|ada)\b/,
    /\bno (?:[\w-]+ )?(?:gpus?|cuda)\W*$|\bno (?:gpus?|devices?) supporting cuda\b|\bdriver (?:is )?too old\b|(?:\b|_)incompatible[_ ]driver\b|\bdriver requires an update\b/,
    /\b(?:cuda|nvidia|gpu|graphics|display) driver\b|\bdriver version\b.{0,60}\b(?:insufficient|mismatch\w*|old|requir\w+|support\w*|incompatible|found)\b|\bcuda setup\b|\b(?:cuda )?toolkit\b/,
    /\b(?:compute|cuda)[ _-]capabilit|\bsm_?\d{2,3}[af]?\b|\bcompute_\d{2,3}[af]?\b|\b(?:volta|turing|ampere|ada|hopper|blackwell)\b.{0,20}\bgpus?\b|\bonly supports? .{0,30}\bgpus?\b|\bdoesn't support bf16\b/,
    /\b(?:compiled|built) (?:with(?:out)?|for(?! \d)|against)\b|\bnot compiled\b|\bnot been (?:compiled|built)\b|\bnot (?:enabled|included|available|supported) in this (?:build|binary)\b|\bunsupported gnu version\b/,
    /\bc(?:\+\+)? compiler\b|\bgcc\b|\bg\+\+|\bnvcc\b|\bptxas\b|\bninja\b|\bcmake\b|\bglibc\b|\bcompiling objects\b|\bjit[- ](?:load|compile|build)\b|\bbuild(?:ing)? (?:the )?extension\b/,
    /\bversion\b.{0,60}\b(?:mismatch|incompatible|not (?:compatible|supported|match)|too (?:old|low|new)|(?:older|newer) than|conflict|or (?:newer|higher|later)|(?:is|are|was) required)\b|\b(?:mismatch|incompatible)\b.{0,40}\bversion/,
    /\bversion\b.{0,80}\brequires? (?:at least )?version\b|\b(?:please|require[sd]? users to|must|need to|have to) upgrade\b|\bplease update (?:your |the )?(?:[\w-]+ ){0,2}(?:runtime|driver|toolkit|version|library|package)\b/,
  ),
  kind(
    'configuration',
    'fix_configuration',
    IMAGE_ADVICE,
    /\b(?:re)?install(?:ed|ation)?\b(?! (?:\w+ )?(?:handler|hook)s?\b)/,
    // What a program needs of a package: `TE version >= 2.7.0`, `torch>=2.4.1`, `PyTorch 2.10+`.
    /\bversion (?:must be|(?:>=?|<=?|==) ?v?\d)|\b[a-z][\w-]{1,40} ?(?:>=?|<=?|==) ?v?\d{1,4}\.\d{1,4}\.\d|\b(?:cuda|(?:py)?torch|python) \d{1,3}\.\d{1,3}\+|\brequires? [\w -]{2,60} version \d/,
    /\b(?:nccl|apex|transformer ?engine|flash[-_ ]?(?:attn|attention)(?:[- ]\d)?|flash-?infer|triton|xformers|bitsandbytes|deepgemm|deepep|nvshmem|cupy|ninja|mpi)\b (?:is |are |was )?(?:not available|unavailable|not found|missing)\b|\bcpu[- ]only (?:version|build)\b|\bonly available on gpus?\b/,
    /\bpath\b.{0,20}\bcould not be found\b|\b(?:library|libraries|package|binary|executable|command|dependency|plugin|backend)\b.{0,60}\b(?:not found|missing|cannot be (?:found|loaded)|could not be (?:found|loaded)|not available)\b/,
    /\b(?:could not|couldn't|cannot|can't|failed to|unable to) (?:find|locate|load|open|import|dlopen)\b.{0,30}\b(?:librar|package|module|executable|binary|\S+\.so\b)/,
    /\bfi_getinfo\b|\benvironment variable\b|\bLD_LIBRARY_PATH\b|\bulimit\b|\bnot permitted\b|\bnot write?able\b|\bread-only (?:file|mount|volume)|\bdubious ownership\b|\byour shell\b|\bmodule\(s\)|\bno such (?:file|device)\b/,
    /\b(?:invalid|no|missing|expired|bad|wrong|locate|find|load|incorrect|refresh) (?:\w+ )?(?:credentials?|(?:oauth|sas) token)\b|\bdatabase is locked\b|\bcredentials? (?:not|are|is|were|have|has|expired)\b|\bapi[ _-]key\b|\bnot logged in\b/,
    /\bgated (?:dataset|model|repo)|\bmust be authenticated\b|\b(?:failed|unable|not able) to authenticate\b|\breturned error(?: code)?:? 40[134]\b|\baccess key id\b|\bexternally[- ]managed\b|\bno module named\b/,
    // A compiler of a header that is no file of the program.
    /^\s*\/\S{0,200}(?:\/include\/|\/site-packages\/|\/dist-packages\/)\S{1,200}(?::\d{1,6}){1,2}: (?:fatal )?error: |^\s*\/\S{0,200}\/(?:include|site-packages|dist-packages)\/\S{1,200}\(\d{1,6}\): error/,
    /\brequires? (?:an? )?(?:pytorch|torch\w*|python|cuda|cudnn|nccl|transformers|deepspeed|tensorflow|jax|triton|numpy|glibc)(?: version)? ?[><=]{1,2}/,
    /\bvirtual environment\b|\bconda environment\b|\berror from server \(notfound\)|\bnvlink (?:fatal|error) {2,4}:|\blockfile\b|\bno interpreter\b|\bfailed to (?:spawn|prepare distributions)\b|\bsupported wheel\b|\b(?:build|installable) wheels?\b|\bdifferent python\b|\benvironment specs\b|\bkernel too old\b|\bmkl(?:[- ]service| fatal|_\w+)\b|\bfuse device\b|\bfilesystem type\b|\bssl certificate problem\b|\bhttp\/[\d.]{1,3} 404\b/,
    /\bno solution found\b|\bunsatisfiable\b|\bresolutionimpossible\b|\bconflicting dependencies\b|\bcmake\w*/,
    /\b(?:InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|NoSuchBucket|RequestTimeTooSkewed|AuthFailure|InvalidClientTokenId)\b/,
    /\b(?:cluster|node|pool)s?\b.{0,40}\benough (?:\w+ )?(?:resources|gpus|cpus)\b/,
    /\b(?:could not|cannot|couldn't|no) (?:find|matching|satisf\w+)\b.{0,40}\b(?:environment|distribution|version|module|channel|requirement)\b|\bcannot find module\b/,
    /\bibv_(?:create|reg|alloc|open|query|get)\w*\b.{0,40}\bfail|\bNET\/\w+ .{0,60}\b(?:open(?:ing)?|creat\w+|initiali[sz]\w+)\b.{0,60}\b(?:fail\w*|error)\b|\bNET\/\w+ couldn't open\b/,
    /\b(?:jwt|token)\b.{0,20}\b(?:expired|rejected)\b|\b(?:access|auth\w*|api|bearer|service account|session|hf) token\b|\bauthentication (?:fail|error|is required)|\bcertificate (?:verif|has|is|chain|signed)|\bx509\b/,
    /(?:\/\S{0,200}|\b(?:file|directory|path|folder|repo(?:sitory)?|bucket|container|blob|key|object|secret)\b.{0,80}) (?:does not|doesn't) exist\b/,
    /^\S{1,200}: \d{1,6}: \S{1,200}: not found$|\bunbound variable\b|\bparameter not set\b|\b(?:user|mount|network|pid|ipc|uts) namespaces?\b/,
    /(?:\b|_)port\b.{0,24}\b(?:in use|is unavailable)\b|\bno (?:available|free) ports?\b|\bgated repo|\bnot enough (?:free )?disk space\b/,
    /\bbind(?:ing)?\b.{0,40}\b(?:failed|error)\b|\b(?:failed|cannot|can't|could not|couldn't|unable)(?: to)? bind\b|\bconnect to (?:the )?(?:x )?display\b|\bqt platform plugin\b/,
    /\b(?:unable|failed|cannot|could not|not able)(?: to)? (?:write|mkdir)\b.{0,80}(?:\/|\b(?:path|directory|folder|cache|file)\b)|\b(?:could not|couldn't|cannot|failed to|unable to) (?:find|open|read|access|stat)\b.{0,60}\/(?:sys|proc|dev)\//,
    // What the operating system says of what it was asked for (strerror, gai_strerror).
    /\b(?:address|port|socket)\b.{0,60}\b(?:already )?in use\b|\bdisk (?:is )?full\b|\b\d{2}% full\b|\bcannot assign requested address\b|\baddress family not supported\b|\bprotocol not (?:available|supported)\b|\bno space left on device\b|\bdisk quota exceeded\b|\btoo many open files\b|\bresource temporarily unavailable\b|\bcannot allocate memory\b|\bstale file handle\b|\btransport endpoint\b|\bbus error\b|\b(?:not a|is a) directory\b|\btext file busy\b|\bexec format error\b|\bfile name too long\b|\bfile too short\b|\b(?:wrong|invalid) elf\b|\bdevice or resource busy\b|\boperation not supported\b/,
    /\bname or service not known\b|\bname resolution\b|\bno address associated\b|\bcould not resolve\b|\bhost not found\b|\bname does not resolve\b|\bunknown host\b|\bno such host\b/,
    /\berrno(?: is)?[ :=]{1,3}(?!17\b|22\b)\d|\(os error \d|\bundefined symbol\b|\bcannot open shared object\b|\bversion `\w|\bcould not load (?:dynamic )?library\b|\bcannot be opened\b|\bfile write failed\b/,
  ),
  kind(
    'host',
    'watch',
    'Ask the scheduler or the platform: it refused or ended what the job asked for.',
    /\bexceed(?:s|ed|ing)? (?:\w+ ){0,3}quota\b|\b\w*quota (?:\w+ |["'`]\S{1,60} )?(?:exceeded|reached)\b|\bover (?:\w+ ){0,3}quota\b|\bquotaexceeded|\b(?:insufficient|no|not enough|no more|out of) (?:\w+ )?capacity\b|\bunschedulable\b|\b(?:cannot|could not|can't) be scheduled\b|\bwall ?(?:clock )?time\b|\bexceeds? (?:the )?reservation|\b\d+\/\d+ nodes are available\b|\bno more resources\b|\b(?:vcpu|instance|volume|address|\w{0,20}request)limitexceeded\b|\bstock-?out\b/,
    /\b(?:pod|node|job|cluster|instance|vm|task|worker|step)\b.{0,24}\b(?:preempted|evicted)\b|\b(?:preempted|evicted) by\b|\bpreemption\b|\bkubelet\b|\bslurm(?:ctld|d|stepd)\b|\bslurm (?:controller|allocation|job|step)\b|\b(?:srun|sbatch|salloc): (?:error|fatal)\b|\b(?:prolog|epilog)\b|\bephemeral[- ](?:local[- ])?storage\b|\bnode was low on\b|\btime limit (?:was )?(?:reached|exceeded)\b|\bdue to (?:the )?time limit\b|\bwall ?time\b|\bnode (?:is |was )?(?:drain|not ready|down\b)/,
  ),
];

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
];

const ofLayer = (layer: Blame) => KINDS.find(one => one.layer === layer);

/** What a program raises of its own values: a capacity, a link or a connection in its words is one of its model. */
const OF_VALUES =
  /^(?:Key|Type|Name|Index|ZeroDivision|UnboundLocal|NotImplemented|Syntax|Value|Assertion|Attribute)Error$/;
const OF_OTHERS: readonly Blame[] = ['host', 'fabric'];

/** It quotes a name of the program alone. */
const OF_NAMES = /^(?:Key|Index|UnboundLocal|ZeroDivision)Error$/;

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
  /\b(?:unknown|invalid|unsupported|unrecogni[sz]ed|illegal|bad|unexpected|incorrect|wrong|missing|duplicate|undefined)\b|\bmust\b|\bneeds? at least \d|\b(?:have|has|needs?) to (?!be installed)|\bexpect(?:ed|s|ing)\b|\bnot (?:valid|supported|divisible|implemented|defined|allowed|equal|recogni[sz]ed)\b|\bmismatch\b|\bout of (?:range|bounds)\b|\bassert|\bcheck failed\b|\boverflow\b|\bparse\b|\bsyntax\b|\btoo long\b|\bcorrupt/i;

/** LAMMPS, and who else writes where in its own source it gave up: `ERROR: Lost atoms (src/thermo.cpp:427)`. */
const AT_SOURCE =
  /^(?:fatal )?error\b.{0,400}\((?:[\w.-]{1,64}\/){0,8}[\w-]{1,64}\.(?:cc?|cpp|cxx|cuh?|hpp?|[fF]\d\d):\d{1,6}\)\s*$/i;

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
    /\bs?xid\b|\becc\b|\b(?:dbe|sbe)s?\b|\buncorrectable\b|\bnv-?(?:link|switch)(?:es|s)?\b(?! (?:fatal|error|warning) {2,4}:)|(?<!\b[A-Z]{1,2}\d{1,3}[A-Z]?[ -])\bpci(?:e|-?express)\b|\bhbm\d?\b|\binforom\b/,
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

/** Python's groups stand before the exceptions that they hold. */
const GROUPS = /^(?:Base)?ExceptionGroup$/;

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

/** An exception that no row knows: another rank's or the program's, unless its words or its class say otherwise. */
export function exceptionMeaning(exception: string, title: string, text: string): Meaning {
  const ofOthers = noticed(text, exception);
  if (ofOthers) return ofOthers;
  const role = GROUPS.test(exception) ? 'report' : 'cause';
  if (!OF_VALUES.test(exception) && isOfMachine(text, kindOf(text, exception))) {
    return { ...{ id: 'exception', role, title }, ...OF_MACHINE_MEANING };
  }
  const { layer, action, advice } = kindOf(text, exception) ?? OF_PROGRAM;
  return { id: 'exception', role, layer, action, title, advice };
}

/** What the driver or the system refused: the model cannot help it. */
const REFUSED = /\boperation not (?:supported|permitted)\b|\bpermission denied\b|\bcuda driver\b/i;

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

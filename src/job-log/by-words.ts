import type { Action, Blame } from '../contract/finding.ts';
import type { Meaning } from './job-texts.ts';

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

/** The first whose words an error has. */
const KINDS: readonly Kind[] = [
  kind(
    'application',
    'restart_app',
    'It asked for more than there is: lower what it asks for, or give it more.',
    /\bout of (?:[\w-]+ ){0,2}(?:memory|resources?\b)|\boom\b|\bmemory budget\b/,
    /\b(?:insufficient|not enough|no free|no more) (?:\w+ ){0,2}memory\b/,
  ),
  kind(
    'host',
    'watch',
    'The service that it names did not serve: look at its state and its limits of requests.',
    /\bservice (?:is )?(?:temporarily )?unavailable\b|\bslow ?down\b|\breduce your request rate\b|\bthrottl/,
    /\bbad gateway\b|\bgateway time-?out\b|\binternal server error\b|\btoo many (?:requests|500 error)\b/,
    /\b(?:http|status|code|error|response)\b[^\w]{0,4}(?:429|50[0-4])\b|\b(?:429|50[0-4])\b[^\w]{0,4}(?:client |server )?error\b/,
    /\bremote i\/o error\b|\binput\/output error\b|\bi\/o error\b/,
  ),
  kind(
    'fabric',
    'watch',
    'Look at the way to the address that it names: proxy, network policy, firewall, and whether anybody listens.',
    /\bconnect(?:ion)?\b.{0,40}\b(?:refused|reset|aborted|timed[ -]?out|time-?out|unreachable|lost|dropped|broken|fail(?:ed|ure))\b/,
    /\b(?:cannot|could not|couldn't|failed to|unable to) (?:connect|reach|resolve)\b|\bunreachable\b/,
    /\bremote end closed\b|\btransport retry count exceeded\b|\bno active port\b|\blink (?:is )?down\b/,
    /\btimed? ?out\b.{0,60}\b(?:connect|request|response|server|host|socket|download)|\b(?:connect|request|response|server|socket|download|initialization)\w*\b.{0,60}\btimed? ?out\b/,
  ),
  kind(
    'configuration',
    'fix_configuration',
    'Compare driver, CUDA, libraries and compiler of the image with what this GPU and this program want.',
    /\bno (?:\w+ )?(?:gpus?|cuda|cuda-capable|nvidia driver|cuda driver)\b.{0,40}\b(?:detected|found|available|visible|present)\b/,
    /\b(?:gpus?|cuda|accelerators?)\b.{0,30}\bnot (?:available|detected|found|visible|accessible|usable)\b/,
    /\b(?:could not|couldn't|cannot|did not|failed to|unable to) (?:find|detect|see|access|load|locate)\b.{0,30}\b(?:gpus?|cuda|nvidia|cudnn|nccl|tensorrt)\b/,
    /\b(?:cuda|nvidia|gpu|graphics|display) driver\b|\bdriver version\b|\bcuda setup\b|\b(?:cuda )?toolkit\b/,
    /\bcompute[ _-]capabilit|\bsm_?\d\d\b|\bcompute_\d\d\b|\b(?:volta|turing|ampere|ada|hopper|blackwell)\b.{0,20}\bgpus?\b|\bonly supports? .{0,30}\bgpus?\b|\bdoesn't support bf16\b/,
    /\b(?:compiled|built) (?:with(?:out)?|for|against)\b|\bnot compiled\b|\bnot been (?:compiled|built)\b|\bunsupported gnu version\b/,
    /\bc(?:\+\+)? compiler\b|\bgcc\b|\bg\+\+|\bnvcc\b|\bninja\b|\bcmake\b|\bglibc\b|\bcompiling objects\b|\bjit[- ](?:load|compile|build)\b|\bbuild(?:ing)? (?:the )?extension\b/,
    /\bversion\b.{0,60}\b(?:mismatch|incompatible|not (?:compatible|supported|match)|too (?:old|low|new)|conflict|or (?:newer|higher|later)|(?:is|are|was) required)\b|\b(?:mismatch|incompatible)\b.{0,40}\bversion/,
  ),
  kind(
    'configuration',
    'fix_configuration',
    'Check the image and the mounts, rights and variables of the container for what it names.',
    /\b(?:pip3?|conda|apt(?:-get)?|mamba) install\b|\bnot installed\b|\bto be installed\b|\b(?:please|must|needs? to|have to) (?:be )?install/,
    /\b(?:library|libraries|package|binary|executable|command|dependency|plugin|backend)\b.{0,60}\b(?:not found|missing|cannot be (?:found|loaded)|could not be (?:found|loaded)|not available)\b/,
    /\b(?:could not|couldn't|cannot|can't|failed to|unable to) (?:find|locate|load|open|import|dlopen)\b.{0,30}\b(?:librar|package|module|executable|binary|\S+\.so\b)/,
    /\benvironment variable\b|\bLD_LIBRARY_PATH\b|\bulimit\b|\bpermission|\bnot permitted\b|\baccess (?:is )?denied\b|\bunauthori[sz]ed\b|\bforbidden\b|\bcredentials?\b|\bapi[ _-]key\b|\b40[13]\b.{0,40}\b(?:token|client|auth)|\bjwt\b|\bauthentication\b|\btoken (?:is |has )?(?:invalid|expired|rejected)\b|\bnot logged in\b|\bread-only\b|\bcertificate\b|\bownership\b|\byour shell\b|\bmodule\(s\)|\bno such (?:file|device)\b|\bdoes not exist\b|\bbind(?:ing)?\b.{0,40}\b(?:failed|error)\b|\b(?:failed|cannot|could not|unable)(?: to)? bind\b/,
  ),
  kind(
    'host',
    'watch',
    'Ask the scheduler or the platform: it refused or ended what the job asked for.',
    /\b\w*quota\b|\bcapacity\b|\bunschedulable\b|\b\d+\/\d+ nodes are available\b|\bno more resources\b|\bstock-?out\b|\bpreempt|\bevict(?:ed|ion)\b|\bkubelet\b|\bslurm|\bsbatch\b|\bwall ?time\b|\btime limit\b|\bnode (?:is |was )?(?:drain|not ready|down)/,
  ),
];

/** Exceptions whose class says it, whatever they are of. */
const CLASSES: readonly (readonly [RegExp, Blame])[] = [
  [
    /^(?:New|Client|Server|API)?Connect(?:ion|or)?(?:Timeout)?Error$|^(?:Connect|Read)Timeout(?:Error)?$|^RemoteDisconnected$|^ServerDisconnectedError$|^MaxRetryError$|^ProtocolError$|^SSL(?:EOF)?Error$|^gaierror$|^URLError$|^CommError$|^IncompleteRead/,
    'fabric',
  ],
  [
    /^(?:Driver|NoDevice|NvmlInit|Nvvm|Cuda(?:Driver|Setup)|LibraryNotFound|Dependency)\w*(?:Error)?$/,
    'configuration',
  ],
];

const ofLayer = (layer: Blame) => KINDS.find(one => one.layer === layer);

/** What a program raises of its own values: a capacity, a link or a connection in its words is one of its model. */
const OF_VALUES =
  /^(?:Key|Type|Name|Index|ZeroDivision|UnboundLocal|NotImplemented|Syntax|Value|Assertion|Attribute)Error$/;
const OF_OTHERS: readonly Blame[] = ['host', 'fabric'];

const kindOf = (text: string, exception = ''): Kind | undefined => {
  const named = CLASSES.find(([classes]) => classes.test(exception));
  const found = KINDS.find(
    ({ layer, words }) =>
      words.test(text) && !(OF_VALUES.test(exception) && OF_OTHERS.includes(layer)),
  );
  return found ?? (named && ofLayer(named[1]));
};

/** Words of a program that was given what it does not take. */
const GIVEN =
  /\b(?:unknown|invalid|unsupported|unrecogni[sz]ed|illegal|bad|unexpected|incorrect|wrong|missing|duplicate|undefined)\b|\bmust (?:be|have|match)\b|\bexpect(?:ed|s|ing)\b|\bnot (?:supported|divisible|implemented|defined|allowed|equal|recogni[sz]ed)\b|\bmismatch\b|\bout of (?:range|bounds)\b|\bassert|\bcheck failed\b|\boverflow\b|\bparse\b|\bsyntax\b|\bcorrupt/i;

/** Libraries that the program uses: who called them wrongly, and whether anybody did, is not told. */
const OF_CUDA = /\b(?:nccl|cu(?:da|dnn|blas|fft|sparse|solver))/i;

/** An exception that no row knows: the program's, unless its words or its class say otherwise. */
export function exceptionMeaning(exception: string, title: string, text: string): Meaning {
  const { layer, action, advice } =
    kindOf(text, exception) ??
    ({
      ...{ layer: 'application', action: 'restart_app', advice: APPLICATION_ADVICE },
    } satisfies Partial<Meaning>);
  return { id: 'exception', role: 'cause', layer, action, title, advice };
}

/** A line that is an error by its form: nobody's, unless its words say whose. */
export function firstErrorMeaning(text: string): Meaning {
  const found = kindOf(text);
  const isGiven = GIVEN.test(text) && !OF_CUDA.test(text);
  const layer = found?.layer ?? (isGiven ? 'application' : 'unknown');
  return {
    ...{ id: 'first-error', role: 'cause', layer },
    action: found?.action ?? 'watch',
    title: 'First error of the log; not a text that is known',
    advice: 'Read its log from this line on: the program says no more that is known.',
  };
}

import type { PodWord } from '../contract/job-log.ts';
import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Line } from './log-lines.ts';
import { HOST, IP, MAY_TELL, POD_FORMS } from './pod-forms.ts';
import type { ProgressCount } from './progress.ts';
import { TEXT_CHARACTERS_MAX } from './quote.ts';
import { withoutSecrets } from './secrets.ts';

/**
 * What a log tells of the pods of its job, whatever that means for its own end: of which a launcher, a scheduler or
 * Ray says that it ended or was lost, for whom others waited, whom this one could not reach, and that this one left
 * by itself. Which pod a name is, is found where all pods are known.
 */

const WORDS_MAX = 32;
const NAMES_MAX = 8;
/** A block of Hydra, Horovod or Open MPI says within so many lines whose end it tells of, and how. */
const BLOCK_LINES = 6;
/** So many steps more, and a program has reached what it could not reach before. */
const WORKED_ON_STEPS = 10;

/** Since then it has reached whom it sought. */
const REACHED =
  /\b(?:successfully|has|is) connected\b|\bconnected to\b|\bconnection (?:established|restored|succeeded)\b|\breconnected\b|\bInit COMPLETE\b/i;

/** @param progress of the same lines. */
export function podWordsOf(
  lines: readonly Line[],
  progress: ProgressCount,
): readonly PodWord[] | undefined {
  const seen = new Set<string>();
  let lastReached: number | undefined;
  const words = lines.flatMap((line, index) => {
    if (!MAY_TELL.test(line.text) && !MAY_TELL.test(line.stream)) return [];
    const word = wordOf(lines, index);
    if (!word) return [];
    const { kind, names, ranks, isOfJob = '' } = word;
    const key = `${kind} ${isOfJob} ${names.join(' ')} ${ranks.join(' ')}`;
    if (seen.has(key)) return [];
    if (kind === 'unreached') {
      // Once for all: a storm of tries that ends well is looked through for each of them otherwise.
      lastReached ??= lines.findLastIndex(({ text }) => REACHED.test(text));
      if (lastReached > index || hasWorkedOn(line, index, progress)) return [];
    }
    seen.add(key);
    return word;
  });
  return words.length === 0 ? undefined : words.slice(0, WORDS_MAX);
}

const OF_THE_JOB =
  /\bc10d\b|\branks?\b|\bGCS\b|\bcoordinat|\bdistributed\b|\bdist_?init|\bsocket(?:Start|Poll|Final)|\bNCCL\b|\bgloo\b|\brendezvous|\bstore\b|\bmaster|\bhead\b|\bscheduler\b|\bmarked as dead\b|\bbootstrap|\bnode manager\b|\b(?:worker|leader|launcher|peer)\b/i;

function wordOf(lines: readonly Line[], index: number): PodWord | undefined {
  const line = lines[index];
  if (!line) return undefined;
  const said = `${line.stream}${line.text}`;
  for (const { kind, text, below } of POD_FORMS) {
    const found = text.exec(said) ?? (line.stream === '' ? null : text.exec(line.text));
    if (!found) continue;
    const block = below
      ? lines.slice(index + 1, index + 1 + BLOCK_LINES).flatMap(one => below.exec(one.text) ?? [])
      : [];
    const more = below
      ? lines
          .slice(index + 1, index + 1 + BLOCK_LINES)
          .map(one => below.exec(one.text)?.groups)
          .find(groups => groups !== undefined)
      : undefined;
    if (below && !more && block.length === 0) continue;
    const groups = { ...found.groups, ...more };
    const names = [groups['name'], groups['name2']].flatMap(name =>
      name === undefined ? [] : plainText(name, 253),
    );
    const ranks = `${groups['ranks'] ?? ''} ${groups['rank'] ?? ''}`.match(/\d{1,6}/g) ?? [];
    const how = groups['how'];
    return {
      kind,
      names: names.slice(0, NAMES_MAX),
      ranks: ranks.map(Number).slice(0, NAMES_MAX),
      ...(kind === 'unreached' && OF_THE_JOB.test(line.text) && { isOfJob: true }),
      ...optional({ how: how === undefined ? undefined : plainText(how.trim(), 80), at: line.at }),
      line: line.number,
      text: plainText(withoutSecrets(line.text.trim()), TEXT_CHARACTERS_MAX),
    };
  }
  return undefined;
}

function hasWorkedOn({ stream }: Line, index: number, progress: ProgressCount): boolean {
  const { steps, othersSteps } = progress.between(stream, index + 1, Number.POSITIVE_INFINITY);
  return steps >= WORKED_ON_STEPS || othersSteps >= WORKED_ON_STEPS;
}

/** Where a process says at which address it is: Ray, TensorFlow, NCCL's choice of an interface. */
const OWN_ADDRESS: readonly RegExp[] = [
  new RegExp(String.raw`\bLocal node IP: (?<ip>${IP})\b`),
  new RegExp(String.raw`\bThis process on node (?<ip>${IP}) was started\b`),
  new RegExp(String.raw`--node-ip-address[= ](?<ip>${IP})\b`),
  new RegExp(String.raw`\bStarted server with target: grpc:\/\/(?<ip>${IP}):`),
  new RegExp(
    String.raw`^\[[^\]]{1,80}\] \(raylet\) \S{1,80} .{0,300}\bMemory on the node \(IP: (?<ip>${IP})`,
  ),
  new RegExp(
    String.raw`^(?<host>${HOST}):\d+:\d+ \[\d+\] NCCL INFO (?:Bootstrap|NET\/\w+) ?: ?Using .{0,120}?:(?<ip>${IP})<`,
    'i',
  ),
];
const ADDRESSES_MAX = 32;

/** Addresses that processes of this log have, and of which host where the line names it. */
export function addressesOf(
  lines: readonly Line[],
): readonly { readonly ip: string; readonly host?: string }[] | undefined {
  const found = lines.flatMap(({ text }) => {
    if (!text.includes('.')) return [];
    const groups = OWN_ADDRESS.map(form => form.exec(text)?.groups).find(Boolean);
    const ip = groups?.['ip'];
    const host = groups?.['host'];
    return ip === undefined ? [] : [{ ip, ...optional({ host }) }];
  });
  const unique = [...Map.groupBy(found, ({ ip, host }) => `${ip} ${host}`).values()].flatMap(
    ([first]) => first ?? [],
  );
  return unique.length === 0 ? undefined : unique.slice(0, ADDRESSES_MAX);
}

/** A host with a letter: `12:00:01` names none. */
const NAMED = `(?=[\\d.]{0,20}[a-z_-])${HOST}`;
/** Whose words a line is that another process printed, where no collector's label says it. */
const WHOSE: readonly RegExp[] = [
  new RegExp(String.raw`^\[?(?<name>${NAMED}):\d{1,10}(?::\d{1,10} \[\d| {0,12}:\d|\])`, 'i'),
  new RegExp(
    String.raw`^(?:\[\d[\d.]{4,30}\] )?\[(?<name>${NAMED}):\d{1,10}(?: {0,12}:\d{1,10})?\]`,
    'i',
  ),
  new RegExp(String.raw`\bray::.{1,200}\(pid=\d{1,10}, ip=(?<name>${IP})\b`),
];

export function whoseWords({ text }: Pick<Line, 'text'>): string | undefined {
  const name = WHOSE.map(form => form.exec(text)?.groups?.['name']).find(Boolean);
  return name === undefined ? undefined : plainText(name, 253);
}

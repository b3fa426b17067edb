import type { Provenance } from '../contract/answer.ts';
import type { Finding, Verdict } from '../contract/finding.ts';
import {
  type CommandWords,
  printedCommand,
  printedStep,
  shell,
  withConnection,
} from '../contract/printed-command.ts';
import type { TriageFacts } from '../tools/support/triage-facts.ts';
import {
  type Block,
  type Document,
  faint,
  type Group,
  type Step,
  section,
  text,
} from './document.ts';
import { gpuTable, isAbout } from './gpu-table.ts';
import {
  clockTime,
  costText,
  counted,
  faultWords,
  isToldBy,
  roughly,
  sentence,
  stepTime,
} from './person-words.ts';
import { clusterGaps, clusterText, triageDetails } from './triage-details.ts';
import { hitsSentence, processesText } from './triage-hits.ts';

export interface Page {
  readonly title: string;
  readonly provenance: Provenance;
  /** What its commands carry, so that they ask where its reader asked. */
  readonly commandWords: CommandWords;
  readonly details: boolean;
}

/** What a page says, part by part. */
export interface TriageParts {
  /** What is wrong in a sentence or two, or why that cannot be said. */
  readonly told: Group;
  readonly hit: Group;
  readonly steps: Group;
  readonly gpus: Group;
  readonly why: Group;
  /** Further findings. */
  readonly also: Group;
  readonly machine: Group;
  readonly rootShell: Group;
  readonly coverage: Group;
}

/** One screen about a node: verdict, impact, steps, why, GPUs, and what it all rests on. */
export function triagePage(facts: TriageFacts, page: Page): Document {
  const { told, hit, steps, gpus, why, also, ...rest } = triageParts(facts, page);
  const details = page.details ? triageDetails(facts) : [];
  return {
    title: page.title,
    headline: headline(facts, page.provenance),
    groups: [
      ...[told, hit, steps, gpus, why, also, rest.machine, rest.rootShell],
      ...details,
      rest.coverage,
    ],
  };
}

export function triageParts(
  facts: TriageFacts,
  { commandWords, details }: Pick<Page, 'commandWords' | 'details'>,
): TriageParts {
  const [worst, ...others] = facts.findings.filter(({ severity }) => severity !== 'info');
  return {
    told: worst ? faultText(facts, worst) : calmText(facts),
    hit: worst ? [hit(facts, worst)] : [],
    steps: steps(facts, commandWords),
    gpus: facts.gpus.length > 0 ? [gpuTable(facts)] : [],
    why: worst ? why(facts, worst) : [],
    also: also(
      worst ? [...others, ...facts.findings.filter(isOfDomain)] : facts.findings,
      worst ? 'ALSO' : 'NOTE',
    ),
    machine: machine(facts),
    rootShell: rootShell(facts, commandWords),
    coverage: [coverage(facts, details)],
  };
}

const MARKS: Readonly<Record<Verdict, string>> = {
  critical: 'CRITICAL',
  warning: 'WARNING',
  healthy: 'HEALTHY',
  unknown: 'UNKNOWN',
};

export function headline(facts: TriageFacts, provenance: Provenance): Document['headline'] {
  const { verdict, node, takenAt } = facts;
  const { simulated, replay } = provenance;
  const clock = `${clockTime(takenAt, takenAt)} UTC`;
  const marks = [
    ...(replay
      ? [`REPLAY, captured ${replay.capturedAt.replace('T', ' ').replace(/Z$/, ' UTC')}`]
      : []),
    ...(simulated === undefined ? [] : ['SIMULATED machine']),
    ...(replay ? [] : [clock]),
  ];
  return {
    verdict: { text: MARKS[verdict], tone: verdict },
    node,
    extent: extentOf(facts),
    origin: marks.join(', '),
    isReal: simulated === undefined && !replay,
  };
}

/** How many of the GPUs are struck; of a fault of the node, how many there are. */
function extentOf({ gpus, findings, verdict }: TriageFacts): string {
  const total = gpus.length;
  if (total === 0) return 'no GPU';
  const serious = findings.filter(({ severity }) => severity !== 'info');
  const struck = gpus.filter(
    row => row.error !== undefined || serious.some(finding => isAbout(finding, row)),
  ).length;
  if (verdict === 'healthy') return `${total} of ${counted(total, 'GPU')}`;
  return struck === 0 ? counted(total, 'GPU') : `${struck} of ${counted(total, 'GPU')} affected`;
}

function faultText(facts: TriageFacts, worst: Finding): Group {
  const first = facts.timeline[0]?.time;
  const age = first === undefined ? 0 : Date.parse(facts.takenAt) - Date.parse(first);
  const since = age < 2_000 ? '' : ` It began ${roughly(age)} ago.`;
  return [
    text({ text: sentence(worst.title), tone: 'strong' }),
    text(`${faultWords(worst.blame, worst.confidence)}.${since}`),
  ];
}

function calmText({ verdict, restsOn, gaps, findings }: TriageFacts): Group {
  if (verdict === 'healthy') {
    // A GPU that is unlike the others is no fault, and not nothing.
    const [remark, ...others] = findings.filter(({ gpu }) => gpu !== undefined);
    const more = others.length === 0 ? '' : ` (and ${others.length} more below)`;
    return [
      text({ text: 'No GPU fault found.', tone: 'strong' }),
      ...(remark ? [text(`Worth a look: ${sentence(`${remark.title}${more}`)}`)] : []),
      ...(restsOn ? [text(sentence(restsOn))] : []),
    ];
  }
  const more = gaps.length - GAPS_MAX;
  return [
    text({
      text: 'No fault found, but this is no all-clear: not all of it could be read.',
      tone: 'strong',
    }),
    ...gaps.slice(0, GAPS_MAX).map(gap => text(`- ${gap}`)),
    ...(more > 0 ? [text(`- and ${more} more`)] : []),
  ];
}

const GAPS_MAX = 4;

/** Whom the step hits, as far as it is known. */
function hit(facts: TriageFacts, worst: Finding): Block {
  const struck = facts.timeline.flatMap(({ processes = [] }) => processes);
  const named = [...new Map(struck.map(each => [each.pid, each])).values()];
  const hits = worst.hits;
  const lines = [
    ...(named.length > 0 ? [text(`Named in the kernel log: ${processesText(named)}.`)] : []),
    ...(hits
      ? [text(hitsSentence(hits, facts.nextAction.action))]
      : [text(unhitSentence(facts, worst))]),
  ];
  return section('HIT', [...lines, ...podsWithout(facts)]);
}

function unhitSentence({ nextAction }: TriageFacts, worst: Finding): string {
  if (nextAction.action === 'drain') return 'Every job on this node; step 2 tells which.';
  return worst.blame === 'application'
    ? 'Only the program itself.'
    : nextAction.steps.length > 0
      ? 'Nobody loses a GPU by this step.'
      : 'Nobody loses a GPU by what is to be done.';
}

/** Pods that do not run although they are on this node, or are to be. */
function podsWithout({ cluster: { pods = [] } }: TriageFacts): Block[] {
  const named = (phase: string) =>
    pods.flatMap(pod => (pod.phase === phase ? [`${pod.namespace}/${pod.pod}`] : [])).join(', ');
  const [failed, pending] = [named('Failed'), named('Pending')];
  return [
    ...(failed === '' ? [] : [text(`Failed: pod ${failed}.`)]),
    ...(pending === '' ? [] : [text(`Waiting for GPUs: pod ${pending}.`)]),
  ];
}

function steps(facts: TriageFacts, commandWords: CommandWords): Group {
  const { nextAction, node, verdict } = facts;
  const { advice, otherwise } = nextAction;
  if (verdict === 'healthy') {
    const why = shell`kubectl gpu-mcp call ${node} explain_failure --pod NAMESPACE/POD`;
    return [
      section('DO', [
        text('Nothing. A job failed here all the same?'),
        ...[printedCommand(why, commandWords) ?? []].flat().map(asCommand),
      ]),
    ];
  }
  const steps = nextAction.steps.flatMap(step => stepOf(step, commandWords));
  const serial = serialsOf(facts);
  return [
    section('DO', [
      text(advice),
      ...(steps.length > 0 ? [{ kind: 'steps' as const, steps }] : []),
      ...(otherwise === undefined ? [] : [text(`If that does not help: ${otherwise}.${serial}`)]),
    ]),
  ];
}

/** By what the maker knows the boards that the worst finding is about. */
function serialsOf({ findings: [worst], gpus }: TriageFacts): string {
  const struck = worst ? gpus.filter(row => isAbout(worst, row)) : [];
  const serials = struck.flatMap(({ serial }) => serial ?? []);
  if (serials.length === 0 || serials.length > SERIALS_MAX) return '';
  return ` (Serial number: ${serials.join(', ')}.)`;
}

const SERIALS_MAX = 2;

/** How to come to a root shell on the node, where a step wants one. */
function rootShell({ nextAction, node, host }: TriageFacts, commandWords: CommandWords): Group {
  const { instead, within } = commandWords;
  if (within || instead?.includes('--local') || !nextAction.steps.some(isOnNode)) return [];
  // By the name that the steps have: a simulated machine's own is none of a node.
  const name = host.hostname ?? node;
  const debug = shell`kubectl debug node/${name} -it --profile=sysadmin --image=ubuntu -- chroot /host`;
  const where = instead === undefined ? '' : ' (its cluster must be your context)';
  return [
    text(`A root shell on the node${where}:`),
    asCommand(withConnection(debug, commandWords)),
  ];
}

const asCommand = (command: string): Block => ({ kind: 'command', command });

type Printed = TriageFacts['nextAction']['steps'][number];

const isOnNode = ({ on }: Printed): boolean => on === 'node';

function stepOf({ on, command, note }: Printed, commandWords: CommandWords): Step[] {
  const { instead, within } = commandWords;
  // Within a pod each was given its note before.
  const printed = instead && !within ? printedStep(command, commandWords) : command;
  if (printed === undefined) return [];
  const notes = [...(on === 'node' ? ['as root on the node'] : []), note ?? ''].filter(Boolean);
  return [
    {
      command: printed,
      ...(notes.length === 0 ? {} : { note: notes.join('; ') }),
    },
  ];
}

const WHY_STEPS_MAX = 4;
const WHY_SIGNS_MAX = 3;

/** The course of the fault by the kernel log, then what else shows it. */
function why({ timeline, searched, takenAt }: TriageFacts, worst: Finding): Group {
  const logs = searched.kernelLog.map(({ source }) => source);
  const told = worst.evidence.filter(
    ({ source, what }) =>
      (timeline.length === 0 || !logs.includes(source)) && !isToldBy(worst.title, what),
  );
  // What a command shows by hand goes before what only names the board.
  const signs = [
    ...told.filter(({ command }) => command !== undefined),
    ...told.filter(({ command }) => command === undefined),
  ].map(({ what }) => what);
  const blocks = [
    ...(timeline.length === 0
      ? []
      : [
          {
            kind: 'table' as const,
            flow: 2,
            rows: timeline
              .slice(0, WHY_STEPS_MAX)
              .map(step => [
                [stepTime(step.time, takenAt)],
                [step.code ?? ''],
                [
                  `${step.gpu === undefined ? '' : `${step.gpu}: `}${step.what}`.replaceAll(
                    ' ',
                    ' ',
                  ) + (step.count === undefined ? '' : ` (${step.count} times)`),
                ],
              ]),
          },
        ]),
    ...signs.slice(0, WHY_SIGNS_MAX).map(sign => text(sentence(sign))),
    ...worst.counterEvidence
      .slice(0, 1)
      .map(against => text(`Against it: ${against.replace(/\.$/, '')}.`)),
  ];
  return blocks.length === 0 ? [] : [section('WHY', blocks)];
}

/** Good to know of this node, and why a job over several nodes does not begin. */
const isOfDomain = ({ severity, id }: Finding): boolean =>
  severity === 'info' && id.startsWith('compute-domain:');

const ALSO_MAX = 3;

function also(findings: readonly Finding[], label: string): Group {
  if (findings.length === 0) return [];
  const more = findings.length - ALSO_MAX;
  return [
    section(label, [
      ...findings
        .slice(0, ALSO_MAX)
        .map(({ severity, title }) =>
          text(
            ...(severity === 'info' ? [] : [{ text: severity.toUpperCase(), tone: severity }, ' ']),
            sentence(title),
          ),
        ),
      ...(more > 0 ? [text(faint(`and ${more} more`))] : []),
    ]),
  ];
}

function machine({ host, node, cluster, gaps, verdict }: TriageFacts): Group {
  const { driverVersion, moduleVersion, moduleKind } = host;
  const kind = moduleKind === undefined ? '' : ` (${moduleKind})`;
  const parts = [
    driverVersion === undefined
      ? moduleVersion === undefined
        ? 'no driver'
        : `kernel module ${moduleVersion}`
      : `driver ${driverVersion}${kind}`,
    host.cudaVersion === undefined ? undefined : `CUDA ${host.cudaVersion}`,
    host.os,
    host.uptimeSeconds === undefined ? undefined : `up ${roughly(host.uptimeSeconds * 1_000)}`,
    host.hostname === undefined || host.hostname === node ? undefined : `host ${host.hostname}`,
  ];
  return [
    text(
      parts
        .flatMap(part => part ?? [])
        .map(part => part.replaceAll(' ', '\u00a0'))
        .join(', '),
    ),
    ...clusterText(cluster),
    ...clusterGaps(cluster),
    ...(verdict === 'unknown' ? [] : gaps.slice(0, GAPS_MAX).map(gap => text(`Gap: ${gap}.`))),
  ];
}

/** What the page rests on, in a line. */
function coverage({ readings, searched, takenAt, cluster }: TriageFacts, details: boolean): Block {
  const read = searched.kernelLog.filter(({ available }) => available);
  const [first] = read.flatMap(({ from }) => from ?? []).toSorted();
  const log =
    read.length === 0
      ? 'no kernel log'
      : first === undefined
        ? 'the kernel log'
        : `${roughly(Date.parse(takenAt) - Date.parse(first))} of kernel log`;
  const more = details ? '' : ' More: --details';
  const api = cluster.asked ? `; of the API server: ${costText(cluster.asked)}` : '';
  return text(
    faint(`Read ${readings.got} of ${readings.tried} driver readings, ${log}${api}.${more}`),
  );
}

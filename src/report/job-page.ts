import type { Hits } from '../contract/finding.ts';
import {
  type CommandWords,
  commented,
  HAND_ON,
  printedCommand,
  shell,
} from '../contract/printed-command.ts';
import type { JobAnswer } from '../tools/support/job-answer.ts';
import { NO_NODE } from '../tools/support/job-root.ts';
import {
  type Block,
  type Document,
  faint,
  type Group,
  type Step,
  section,
  type Text,
  text,
} from './document.ts';
import {
  clockTime,
  costText,
  counted,
  faultWords,
  isToldBy,
  rangesText,
  sentence,
  stepTime,
} from './person-words.ts';
import { hitsSentence } from './triage-hits.ts';

/** Of more the list of nodes below tells, and `-o json`. */
const ROWS_MAX = 8;
const NAMES_MAX = 4;

/** What a job comes to over its nodes: whose fault, the node to take out, where it began, what the others saw. */
export function jobPage(answer: JobAnswer, nowMs: number, commandWords?: CommandWords): Document {
  const { state, fault, confidence, takeOut, pods, nodes } = answer;
  const tone = takeOut !== undefined ? 'critical' : fault === 'unknown' ? 'unknown' : 'warning';
  const isUnread = nodes.length > 0 && nodes.every(({ verdict }) => verdict === 'unread');
  // Of what is gone only its controller's word that it ended well, or is held back, leaves nothing to be done.
  const isQuiet = state === 'gone' ? answer.action === 'none' : state !== 'failed' && !isUnread;
  const isWell = fault === 'unknown' && isQuiet;
  const now = new Date(nowMs).toISOString();
  return {
    title: `Triage: ${answer.job}`,
    headline: {
      verdict: { text: state.toUpperCase(), ...(!isWell && { tone }) },
      node: answer.job,
      extent: podsText(pods),
      origin: `namespace ${answer.namespace}`,
      isReal: true,
    },
    groups: [
      [
        text({ text: whatOf(answer), tone: 'strong' }),
        ...(isWell ? [] : [text(`${faultWords(fault, confidence)}.`)]),
      ],
      // Whom the step hits beside the job: nobody is no word for whoever waits for the job itself.
      answer.hits === undefined || isNobody(answer.hits)
        ? []
        : [section('HIT', [text(hitsSentence(answer.hits, answer.action))])],
      [section('DO', stepsOf(answer, commandWords))],
      whyOf(answer, now),
      sawOf(answer, now),
      ...seesOf(answer),
      [section('NODE', nodesOf(answer))],
      [
        text(faint(sentence(logsText(answer)))),
        ...answer.notes.map(note => text(faint(sentence(note)))),
      ],
    ],
  };
}

/** What was found in a sentence: the first fault, or what the pods and nodes come to. */
function whatOf({ fault, first, why: [because = 'no cause was found'] }: JobAnswer): string {
  if (fault === 'unknown' || !first) return sentence(because);
  if (first.what.includes(first.node)) return sentence(first.what);
  if (first.node === NO_NODE) return sentence(`${first.what}, pod ${first.pod}`);
  const isNamed = first.gpu === undefined || first.what.includes(first.gpu);
  const gpu = isNamed ? '' : `GPU ${first.gpu} of `;
  const isOfPod = first.gpu === undefined && (fault === 'application' || fault === 'configuration');
  const pod = isOfPod && first.pod !== undefined ? `pod ${first.pod} on ` : '';
  return sentence(`${first.what}, ${pod}${gpu}node ${first.node}`);
}

const isNobody = ({ pods, processes, more, notRead }: Hits): boolean =>
  pods.length + processes.length + more + notRead.length === 0;

function podsText(pods: JobAnswer['pods']): string {
  const states = (['failed', 'running', 'pending', 'succeeded', 'gone'] as const).flatMap(state =>
    pods[state] > 0 ? [`${pods[state]} ${state}`] : [],
  );
  return [counted(pods.all, 'pod'), ...(states.length > 0 ? [states.join(', ')] : [])].join(': ');
}

/** What of its pods was read, and what that took of the API server. */
const logsText = ({ logs, asked }: JobAnswer): string =>
  [
    logs.read === 0
      ? 'no log of its pods was read'
      : `${counted(logs.read, 'log')} of its pods read: ${costText(logs)}`,
    ...(asked ? [`the job, its pods and events: ${costText(asked)}`] : []),
  ].join('; ');

function stepsOf({ advice, takeOut }: JobAnswer, words: CommandWords | undefined): Block[] {
  const cordon = takeOut === undefined ? undefined : shell`kubectl cordon ${takeOut}`;
  const printed = cordon && words ? printedCommand(cordon, words) : cordon;
  const { bare: command, comment } = commented(printed ?? '');
  const note = [comment, 'no new pod of the job goes there'].filter(Boolean).join('; ');
  const step: Step[] = command === '' ? [] : [{ command, note }];
  const out = takeOut === undefined ? '' : `Take node ${takeOut} out of the job. `;
  return [
    text(`${words?.within && out !== '' ? `${HAND_ON} ` : ''}${out}${sentence(advice)}`),
    ...(step.length > 0 ? [{ kind: 'steps' as const, steps: step }] : []),
  ];
}

/** Since when, and what speaks for that and against it. */
function whyOf({ state, fault, first, why, against }: JobAnswer, now: string): Group {
  // Where nothing is at fault, the page begins with the first reason.
  const reasons =
    first && fault !== 'unknown' ? why.filter(words => !isToldBy(first.what, words)) : why.slice(1);
  const blocks = [
    ...(first && (first.time !== undefined || fault !== 'unknown')
      ? [text(beginningOf({ ...first, state }, now))]
      : []),
    ...reasons.map(words => text(sentence(words))),
    ...against.map(words => text(`Against it: ${sentence(words)}`)),
  ];
  return blocks.length === 0 ? [] : [section('WHY', blocks)];
}

/** `It began at 12:00:00.2 UTC with XID 79 in pod train-1.` by its own record, or that no record tells when. */
function beginningOf(
  { time, code, pod, what, state }: NonNullable<JobAnswer['first']> & Pick<JobAnswer, 'state'>,
  now: string,
) {
  if (time === undefined && code === undefined && pod !== undefined && state === 'running') {
    return `Pod ${pod} runs there; since when it is so is not known.`;
  }
  const isNamed = code === undefined || what.includes(code);
  const how = `${isNamed ? '' : ` with ${code}`}${pod === undefined ? '' : ` in pod ${pod}`}`;
  if (time !== undefined) return `It began at ${stepTime(time, now)} UTC${how}.`;
  return `${how === '' ? '' : `It began${how}. `}When it began is not known.`;
}

function sawOf({ saw }: JobAnswer, now: string): Group {
  if (saw.length === 0) return [];
  const rows = saw
    .slice(0, ROWS_MAX)
    .map(({ pod, node, exitCode, finishedAt, what }): Text[] => [
      [finishedAt === undefined ? '' : clockTime(finishedAt, now)],
      [pod],
      [node],
      [exitCode === undefined ? '' : `exit\u00a0${exitCode}`],
      [what],
    ]);
  return [
    section('SAW', [
      { kind: 'table', rows, flow: 3 },
      ...moreOf(saw.length - ROWS_MAX, 'pod', 'failed too'),
    ]),
  ];
}

/** What containers see that they should not, or do not see that they should. */
function seesOf({ containers = [], first }: JobAnswer): Group[] {
  const others = containers.filter(
    ({ pod, what }) => !isToldBy(first?.what ?? '', `${pod} ${what}`),
  );
  if (others.length === 0) return [];
  const rows = others
    .slice(0, ROWS_MAX)
    .map(({ pod, what }): Text[] => [[{ text: pod, tone: 'strong' }], [sentence(what)]]);
  return [[section('POD', [{ kind: 'table', rows, flow: 1 }])]];
}

function nodesOf({ nodes, state }: JobAnswer): Block[] {
  const rows = nodes
    .slice(0, ROWS_MAX)
    .map((row): Text[] => [
      [{ text: row.node, tone: 'strong' }],
      [namesText(row.pods)],
      [
        [
          ...(row.failed > 0 ? [`${row.failed} failed`] : []),
          ...gpusText(row, state),
          nowText(row),
          ...(row.otherGpus > 0
            ? [`${counted(row.otherGpus, 'more finding')} there, not known to be of its GPUs`]
            : []),
        ].join('; '),
      ],
    ]);
  return [
    { kind: 'table', rows, flow: 2 },
    ...moreOf(nodes.length - ROWS_MAX, 'node', 'more in the table below'),
  ];
}

function namesText(names: readonly string[]): string {
  const more = names.length - NAMES_MAX;
  return `${names.slice(0, NAMES_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function gpusText(
  { gpus, asksNoGpu }: JobAnswer['nodes'][number],
  state: JobAnswer['state'],
): string[] {
  if (gpus.length === 0 && asksNoGpu) return ['asks for no GPU'];
  if (gpus.length > 0) return [`GPU\u00a0${rangesText(gpus)}`];
  if (state === 'pending') return [];
  return [`which GPUs it ${state === 'running' ? 'has' : 'had'} is not known`];
}

function nowText(row: JobAnswer['nodes'][number]): string {
  const {
    findings: [worst, ...others],
    verdict,
    asksNoGpu,
  } = row;
  if (worst === undefined && verdict === 'unread') return 'not read';
  if (worst === undefined) return asksNoGpu ? 'no fault now' : 'no fault of its GPUs now';
  return others.length === 0 ? worst : `${worst} (and ${others.length} more)`;
}

const moreOf = (more: number, noun: string, words: string): Block[] =>
  more > 0 ? [text(faint(`${counted(more, noun)} ${words}.`))] : [];

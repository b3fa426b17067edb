import * as z from 'zod';
import type { Written } from '../../contract/answer.ts';
import { Action, Blame, Confidence, Hits, Verdict } from '../../contract/finding.ts';
import { ContainerFault } from '../../findings/support/container-faults.ts';
import { hitsText } from './finding-lines.ts';
import { JobPace } from './stragglers.ts';
import { plural } from './wording.ts';

/** What a job's failure began with: by the kernel, the log of a pod, or how its container ended. */
const First = z.strictObject({
  node: z.string(),
  pod: z.string().optional(),
  gpu: z.string().optional(),
  /** By the record that tells of it; absent where none does. */
  time: z.string().optional(),
  /** `XID 79`, where it began with a line of the kernel log that has a number. */
  code: z.string().optional(),
  what: z.string(),
});

const JobNodeRow = z.strictObject({
  node: z.string(),
  verdict: Verdict.or(z.literal('unread')),
  pods: z.array(z.string()),
  failed: z.int(),
  /** The job's GPUs there by index; empty where they are not known. */
  gpus: z.array(z.int()),
  /** Findings above info on those GPUs or on the node as a whole, as it is now. */
  findings: z.array(z.string()),
  /** The same on GPUs that the job does not have. */
  otherGpus: z.int(),
  /** The job's pods there ask for no GPU. */
  asksNoGpu: z.literal(true).optional(),
});

const JobContainer = ContainerFault.omit({
  podUid: true,
  pid: true,
  kind: true,
  seen: true,
}).extend({
  node: z.string(),
  pod: z.string(),
});

/** What a target that has pods comes to, over all of its nodes. */
export const JobAnswer = z.strictObject({
  job: z.string(),
  namespace: z.string(),
  summary: z.string(),
  state: z.enum(['failed', 'running', 'pending', 'succeeded', 'gone']),
  fault: Blame,
  confidence: Confidence,
  action: Action,
  advice: z.string(),
  /** The node to take out of the job; absent where none is to be. */
  takeOut: z.string().optional(),
  /** Whom the step on that node hits, where its own triage tells. */
  hits: Hits.optional(),
  first: First.optional(),
  why: z.array(z.string()),
  against: z.array(z.string()),
  /** The other pods that failed, in the order of their ends. */
  saw: z.array(
    z.strictObject({
      pod: z.string(),
      node: z.string(),
      exitCode: z.int().optional(),
      finishedAt: z.string().optional(),
      what: z.string(),
    }),
  ),
  nodes: z.array(JobNodeRow),
  pods: z.strictObject({
    all: z.int(),
    running: z.int(),
    pending: z.int(),
    succeeded: z.int(),
    failed: z.int(),
    gone: z.int(),
  }),
  logs: z.strictObject({ read: z.int(), requests: z.int(), bytes: z.int() }),
  /** What finding it, its pods and their events took of the API server, without its nodes and its logs. */
  asked: z.strictObject({ requests: z.int(), bytes: z.int() }).optional(),
  /** How fast its GPUs work, where it runs: all nodes looked at together. */
  pace: JobPace.optional(),
  /** What is wrong with what containers of it see of GPUs and limits, where they run. */
  containers: z.array(JobContainer).optional(),
  notes: z.array(z.string()),
});
export type JobAnswer = z.infer<typeof JobAnswer>;

const ROWS_MAX = 8;
const NAMES_MAX = 4;

/** The one page: verdict, the step, the node to take out, what came first, what the others saw. */
export function jobLines(answer: JobAnswer): readonly Written[] {
  const { state, fault, confidence, action, advice, takeOut, first, why, against } = answer;
  const isWell = state !== 'failed' && fault === 'unknown';
  return [
    {
      kind: isWell ? 'plain' : fault === 'unknown' ? 'unknown' : takeOut ? 'critical' : 'warning',
      text: `${state.toUpperCase()}  ${answer.summary}`,
    },
    `fault ${fault}, confidence ${confidence}`,
    `next: ${action}: ${advice}`,
    `take out: ${takeOut ?? 'no node'}`,
    ...(answer.hits ? [`hits: ${hitsText(answer.hits)}`] : []),
    ...(first ? [`first: ${firstText(first)}`] : []),
    ...why.map(text => `  because ${text}`),
    ...against.map(text => `  against ${text}`),
    ...(answer.saw.length > 0 ? ['the others saw:'] : []),
    ...answer.saw
      .slice(0, ROWS_MAX)
      .map(
        ({ pod, node, exitCode, finishedAt, what }) =>
          `  ${pod} on ${node}${exitCode === undefined ? '' : `, exit code ${exitCode}`}${finishedAt === undefined ? '' : ` at ${finishedAt}`}: ${what}`,
      ),
    ...moreOf(answer.saw.length - ROWS_MAX, 'more failed'),
    `its ${plural(answer.nodes.length, 'node')}:`,
    ...answer.nodes.slice(0, ROWS_MAX).map(nodeText),
    ...moreOf(answer.nodes.length - ROWS_MAX, 'more below'),
    ...(answer.containers ?? []).map(({ pod, what }) => `container of ${pod}: ${what}`),
    podsText(answer),
    ...answer.notes.map(note => `note: ${note}`),
  ];
}

const moreOf = (more: number, words: string): string[] => (more > 0 ? [`  ${more} ${words}`] : []);

const firstText = ({ node, pod, gpu, time, code, what }: z.infer<typeof First>): string =>
  `${[time ?? 'time not known', code, node, pod === undefined ? undefined : `pod ${pod}`, gpu === undefined ? undefined : `GPU ${gpu}`].flatMap(part => part ?? []).join(', ')}: ${what}`;

function nodeText(row: NodeRow): string {
  const { node, verdict, pods, failed, gpus, findings, otherGpus, asksNoGpu } = row;
  const named = `${pods.slice(0, NAMES_MAX).join(', ')}${pods.length > NAMES_MAX ? ` and ${pods.length - NAMES_MAX} more` : ''}`;
  const [worst, ...others] = findings;
  const now =
    worst === undefined
      ? verdict === 'unread'
        ? 'not read'
        : 'no fault of its GPUs now'
      : `${worst}${others.length > 0 ? ` (and ${others.length} more)` : ''}`;
  return [
    `  ${node}: ${named}`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    gpus.length > 0
      ? `GPU ${gpus.join(', ')}`
      : asksNoGpu
        ? 'asks for no GPU'
        : 'its GPUs not known',
    now,
    ...(otherGpus > 0
      ? [`${plural(otherGpus, 'more finding')} there, not known to be of its GPUs`]
      : []),
  ].join('; ');
}
type NodeRow = z.infer<typeof JobNodeRow>;

function podsText({ job, pods, logs, asked }: JobAnswer): string {
  const counts = (['failed', 'running', 'pending', 'succeeded', 'gone'] as const).flatMap(state =>
    pods[state] > 0 ? [`${pods[state]} ${state}`] : [],
  );
  return `${job}: ${plural(pods.all, 'pod')}${counts.length > 0 ? `: ${counts.join(', ')}` : ''}; ${logs.read === 0 ? 'no log read' : `${plural(logs.read, 'log')} read (${plural(logs.requests, 'request')}, ${logs.bytes} bytes)`}${asked ? `; job, pods and events: ${plural(asked.requests, 'request')}, ${asked.bytes} bytes` : ''}`;
}

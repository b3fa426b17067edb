import * as z from 'zod';
import { Provenance } from './answer.ts';
import { Verdict } from './finding.ts';

/** One node of an answer about many, in a line. */
export interface FleetRow {
  readonly node: string;
  /** `unread`: the node was selected and could not be read. */
  readonly verdict: Verdict | 'unread';
  readonly gpus?: { readonly well: number; readonly all: number };
  /** What the machine is: `8x H100 80GB HBM3, driver 570.124.06`. */
  readonly machine: string;
  /** The worst finding, or why there is none; empty where all is well. */
  readonly what: string;
  /** The next step in a word or two. */
  readonly step: string;
}

/** Worst first: a node that could not be read may be any of those below it. */
export const WORST_FIRST = ['critical', 'unread', 'unknown', 'warning', 'healthy'] as const;

/** `node-9` stands before `node-10`, whatever the machine's language. */
const { compare } = new Intl.Collator('en', { numeric: true });

/** Worst first, then by name: the same in every run, whoever answered first. */
export const byWorst = (
  a: Pick<FleetRow, 'node' | 'verdict'>,
  b: Pick<FleetRow, 'node' | 'verdict'>,
): number =>
  WORST_FIRST.indexOf(a.verdict) - WORST_FIRST.indexOf(b.verdict) || compare(a.node, b.node);

/**
 * Why a node was not read, in the words of every node that was not for the same reason: without its
 * name, its pod's, and since when it was silent.
 */
export function reasonOf({ node: target, what }: Pick<FleetRow, 'node' | 'what'>): string {
  const node = target.slice(target.lastIndexOf('/') + 1);
  return what
    .replaceAll(/\bpod "?[\w.-]+\/[\w.-]+"?/g, 'its pod')
    .replaceAll(/(?:\bnode )?"?([\w.-]*\w)"?/g, (words, name) =>
      name === node ? 'the node' : words,
    )
    .replaceAll(/ (?:for \d+(?:\.\d+)? (?:ms|s)\b|since \d{4}-[\dT:.-]+Z)/g, '');
}

/** `2 of 16 nodes critical, 1 not read, 13 healthy`. */
export function fleetHead(rows: readonly FleetRow[]): string {
  const counts = WORST_FIRST.flatMap(verdict => {
    const count = rows.filter(row => row.verdict === verdict).length;
    return count === 0 ? [] : [`${count} ${VERDICT_WORDS[verdict]}`];
  });
  return `${rows.length} ${rows.length === 1 ? 'node' : 'nodes'}: ${counts.join(', ')}`;
}

/** Verdicts as a table says them. */
export const VERDICT_WORDS = {
  critical: 'critical',
  unread: 'not read',
  unknown: 'unknown',
  warning: 'warning',
  healthy: 'healthy',
} as const;

const Failure = z.strictObject({
  message: z.string(),
  hint: z.string().optional(),
  /** What the command line would exit with for this node alone. */
  exitCode: z.int().min(1).max(5),
});

const ListedNode = z.strictObject({
  node: z.string(),
  /** The kubeconfig context, where several were asked for. */
  context: z.string().optional(),
  ok: z.boolean(),
  verdict: Verdict.optional().describe('As in the answer; absent where the tool judges nothing.'),
  error: Failure.optional().describe('Why there is no answer of the node itself.'),
  provenance: Provenance.optional().describe('Empty: the node as it is now.'),
  answer: z
    .record(z.string(), z.unknown())
    .optional()
    .describe(
      'What `-o json` of this node alone prints; of an unread node what the cluster knows.',
    ),
});
export type ListedNode = z.infer<typeof ListedNode>;

/** The one document that `-o json` and `-o yaml` print for several nodes. */
export const AnswerList = z.strictObject({
  apiVersion: z.literal('gpu-mcp/v1'),
  kind: z.literal('AnswerList'),
  tool: z.string(),
  takenAt: z.iso.datetime(),
  versions: z.strictObject({ plugin: z.string() }),
  summary: z.string(),
  counts: z
    .strictObject({
      nodes: z.int(),
      unread: z.int(),
      critical: z.int(),
      warning: z.int(),
      unknown: z.int(),
      healthy: z.int(),
    })
    .describe('Nodes by verdict; those of a tool that judges nothing are in none.'),
  unreadFor: z
    .array(z.strictObject({ reason: z.string(), nodes: z.int() }))
    .optional()
    .describe('Why nodes were not read, and how many for each reason, most first.'),
  across: z
    .record(z.string(), z.unknown())
    .describe('What only several nodes together tell: order of events, outliers, NVLink domains.'),
  job: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('Where the target is a job: whose fault, the first fault, the node to take out.'),
  leftOut: z
    .array(z.string())
    .optional()
    .describe('With --fleet: what no answer below holds, though that of one node alone does.'),
  items: z.array(ListedNode).describe('Every node that was selected, worst first.'),
});
export type AnswerList = z.infer<typeof AnswerList>;

const GpuNode = z.strictObject({
  node: z.string(),
  ready: z.enum(['Ready', 'NotReady', 'Unknown']),
  gpus: z.int().optional().describe('What the device plugin found; absent where none runs.'),
  allocatable: z.int().optional().describe('What of it the kubelet still gives to pods.'),
  labelledGpus: z.int().optional().describe('By the label nvidia.com/gpu.count.'),
  labelled: z.boolean().describe('Labelled as having GPUs, whether it offers any or not.'),
  product: z.string().optional(),
  driver: z.string().optional().describe('By GPU Feature Discovery.'),
  instanceType: z.string().optional(),
  cordoned: z.boolean(),
  taints: z.array(z.strictObject({ key: z.string(), value: z.string(), effect: z.string() })),
  conditions: z.array(z.string()).describe('Those that are true, but for Ready.'),
  os: z.string(),
  kubelet: z.string(),
});
export type GpuNode = z.infer<typeof GpuNode>;

/** What `nodes -o json` and `-o yaml` print. */
export const GpuNodeList = z.strictObject({
  apiVersion: z.literal('gpu-mcp/v1'),
  kind: z.literal('GpuNodeList'),
  items: z.array(GpuNode).describe('By name.'),
});
export type GpuNodeList = z.infer<typeof GpuNodeList>;

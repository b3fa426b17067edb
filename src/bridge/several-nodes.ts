import type { CallToolResult } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { type Line, linesOf, textOf } from '../contract/answer.ts';
import { byWorst, type FleetRow, fleetHead, VERDICT_WORDS } from '../contract/fleet.ts';
import { NODES_AT_ONCE, PARTIAL_ANSWER_MS } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import type { Clock } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';
import { failureText } from '../mcp/results.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import { fleetRow, unreadRow } from '../tools/support/fleet-row.ts';
import {
  firstFaultLine,
  type MergedEntry,
  mergedOrder,
  orderLines,
} from '../tools/support/merged-order.ts';
import {
  type NodeOutlier,
  nodeOutlierLines,
  nodeOutliers,
} from '../tools/support/node-outliers.ts';
import { domainLines, type SharedDomain, sharedDomains } from '../tools/support/nvlink-domains.ts';
import type { Question } from '../tools/tool.ts';
import { askEach, NoAnswerYet, type NodeAnswer, type NodeOutcome } from './ask-each.ts';

type Beside = Pick<ToolRequest, 'signal' | 'onProgress'>;

/** Of an answer about several nodes, in each of its forms: what a model reads of it before it asks on. */
const CHARACTERS_MAX = 7_200;
/** Where each answer is what was asked for, and not a judgement of its node. */
const CHARACTERS_UNJUDGED_MAX = 24_000;
const MERGED_ENTRIES_MAX = 12;
const FINDINGS_MAX = 3;
const WHAT_CHARACTERS_MAX = 110;
const NAMES_MAX = 100;

/**
 * One call to several nodes. Every node is in the answer, also one that failed, with its reason;
 * it is an error as a whole only when every node failed. Worst first: a line a node, then as many
 * whole answers as a model can be expected to read, and which nodes to ask again for theirs.
 */
export async function callNodes(
  sessions: readonly Session[],
  question: Question,
  { signal, onProgress }: Beside,
  clock: Clock,
): Promise<CallToolResult> {
  const over = AbortSignal.timeout(PARTIAL_ANSWER_MS);
  const outcomes = await askEach(sessions, question, {
    ...{ signal, clock, parallel: NODES_AT_ONCE },
    // All of them have the time of the one call, and go on starting for the next one.
    limit: () => over,
    onProgress: (node, words, level) => onProgress(`${node}: ${words}`, level),
  });
  const nodes = outcomes.map(readNode);
  const isJudged = nodes.some(({ isJudgement }) => isJudgement);
  const sorted = isJudged ? nodes.toSorted((a, b) => byWorst(a.row, b.row)) : nodes;
  const order = orderOver(outcomes.flatMap(({ answered }) => answered ?? []));
  const summary = summaryOf(outcomes, isJudged ? sorted.map(({ row }) => row) : undefined);
  return {
    isError: nodes.every(({ answered }) => answered === undefined),
    content: [{ type: 'text', text: textOver(sorted, summary, order, isJudged) }],
    structuredContent: structureOver(sorted, summary, order, isJudged),
  };
}

interface Node {
  readonly node: string;
  readonly row: FleetRow;
  readonly verdict: string | undefined;
  /** Whether its answer says what to do next: then that is what one asks of many nodes. */
  readonly isJudgement: boolean;
  readonly answered: NodeAnswer | undefined;
  readonly error: string | undefined;
}

const Judged = z.looseObject({
  verdict: z.string().optional(),
  summary: z.string().optional(),
  nextAction: z.unknown().optional(),
  findings: z
    .array(z.looseObject({ severity: z.string(), title: z.string() }))
    .optional()
    .catch(undefined),
});

function readNode({ target: node, answered, error }: NodeOutcome): Node {
  if (!answered) {
    const text = failureText(error);
    const row = unreadRow(node, text);
    return { node, row, verdict: undefined, isJudgement: false, answered, error: text };
  }
  const { structured } = answered.answer;
  const { verdict, nextAction } = Judged.parse(structured);
  const isJudgement = verdict !== undefined && nextAction !== undefined;
  return {
    node,
    row: fleetRow(node, structured),
    verdict,
    isJudgement,
    answered,
    error: undefined,
  };
}

function summaryOf(
  outcomes: readonly NodeOutcome[],
  rows: readonly FleetRow[] | undefined,
): string {
  const isAwaited = ({ error }: NodeOutcome) => error instanceof NoAnswerYet;
  const unanswered = outcomes.filter(({ answered }) => !answered);
  return `${[
    ...(rows
      ? [fleetHead(rows)]
      : [`${outcomes.length - unanswered.length} of ${outcomes.length} nodes answered`]),
    ...named(
      'no answer from',
      unanswered.filter(outcome => !isAwaited(outcome)),
    ),
    ...named('still awaited, ask again:', unanswered.filter(isAwaited)),
  ].join('; ')}.`;
}

const named = (words: string, of: readonly { readonly target: string }[]): string[] =>
  of.length === 0 ? [] : [`${words} ${namesOf(of.map(({ target }) => target))}`];

const namesOf = (names: readonly string[]): string =>
  [
    names.slice(0, NAMES_MAX).join(', '),
    ...(names.length > NAMES_MAX ? [`and ${names.length - NAMES_MAX} more`] : []),
  ].join(' ');

type Order = ReturnType<typeof orderOver>;

function textOver(
  nodes: readonly Node[],
  summary: string,
  order: Order,
  isJudged: boolean,
): string {
  const rows = isJudged ? rowLines(nodes) : [];
  const events = order && textOf(isJudged ? order.brief : order.lines);
  const head = [summary, ...rows].join('\n');
  const parts = [head, ...(events ? [events] : [])];
  let room = (isJudged ? CHARACTERS_MAX : CHARACTERS_UNJUDGED_MAX) - parts.join('\n\n').length;
  const left: string[] = [];
  for (const { node, verdict, answered, error } of nodes) {
    if (isJudged && (verdict === 'healthy' || !answered)) continue;
    const page = `== ${node}\n${answered ? textOf((answered.answer.forModel ?? answered.answer).lines) : error}`;
    room -= page.length;
    if (room >= 0) parts.push(page);
    else left.push(node);
  }
  if (left.length > 0) parts.push(leftOutLine(left));
  return parts.join('\n\n');
}

const leftOutLine = (nodes: readonly string[]): string =>
  `${nodes.length === 1 ? 'The page' : `${nodes.length} pages`} of ${namesOf(nodes)} left out: ask one node alone.`;

/** A line a sick node; those that are well in one a kind of machine. */
function rowLines(nodes: readonly Node[]): readonly string[] {
  const sick = nodes.filter(({ verdict }) => verdict !== 'healthy');
  const well = Map.groupBy(
    nodes.filter(({ verdict }) => verdict === 'healthy'),
    ({ row }) => row.machine,
  );
  return [
    ...sick.map(({ row: { node, verdict, gpus, what, step } }) =>
      [
        `${node}: ${VERDICT_WORDS[verdict]}`,
        ...(gpus && gpus.well < gpus.all ? [`, ${gpus.well} of ${gpus.all} GPUs`] : []),
        ...(what === '' ? [] : [`: ${plainText(what, WHAT_CHARACTERS_MAX)}`]),
        ...(step === '' ? [] : [`; do: ${step}`]),
      ].join(''),
    ),
    ...[...well].map(
      ([machine, of]) => `healthy, ${machine}: ${namesOf(of.map(({ node }) => node))}`,
    ),
  ];
}

function structureOver(
  nodes: readonly Node[],
  summary: string,
  order: Order,
  isJudged: boolean,
): Record<string, unknown> {
  const events = order && boundedOrder(order.structured, isJudged);
  const lengthOf = (value: unknown) => JSON.stringify(value).length;
  const forms = nodes.map(formsOf);
  const least = forms.map(([row]) => row);
  let room =
    (isJudged ? CHARACTERS_MAX : CHARACTERS_UNJUDGED_MAX) -
    lengthOf({ summary, ...events, nodes: least });
  const listed = forms.map(([row, ...longer]) => {
    const spare = room + lengthOf(row);
    const chosen = longer.findLast(form => lengthOf(form) <= spare) ?? row;
    room = spare - lengthOf(chosen);
    return chosen;
  });
  const left = listed.filter((chosen, at) => chosen !== forms[at]?.at(-1)).length;
  return {
    summary,
    ...events,
    ...(left > 0 && { answersLeftOut: left }),
    nodes: listed,
  };
}

type Form = Readonly<Record<string, unknown>>;

/** What can stand of a node, the shortest first: as much as there is room for is taken. */
function formsOf({ node, row, verdict, answered, error = '' }: Node): readonly [Form, ...Form[]] {
  if (!answered) {
    const short = plainText(error, WHAT_CHARACTERS_MAX);
    return [
      { node, ok: false, error: short },
      ...(short === error ? [] : [{ node, ok: false, error }]),
    ];
  }
  const answer = answered.answer.structured;
  const { structured } = answered.answer.forModel ?? answered.answer;
  const whole = { node, ok: true, answer: structured };
  if (verdict === 'healthy') return [{ node, ok: true, verdict }, whole];
  const { summary, nextAction, findings } = Judged.parse(answer);
  const what = plainText(verdict === undefined ? (summary ?? '') : row.what, WHAT_CHARACTERS_MAX);
  const least = { node, ok: true, ...optional({ verdict, what, do: row.step || undefined }) };
  if (verdict === undefined) return [least, whole];
  const brief = {
    ...{ node, ok: true, verdict, nextAction },
    ...(row.gpus && { gpusWell: row.gpus.well, gpusAll: row.gpus.all }),
    findings: (findings ?? [])
      .slice(0, FINDINGS_MAX)
      .map(({ severity, title }) => ({ severity, title: plainText(title, 160) })),
  };
  return [least, brief, whole];
}

/** A judgement names the first events; who asked for events gets those that fit. */
function boundedOrder(order: NonNullable<Order>['structured'], isJudged: boolean) {
  if (!isJudged) return order;
  const { merged, mergedLeftOut, clocks, ...rest } = order;
  const kept = merged.slice(0, MERGED_ENTRIES_MAX);
  return {
    ...rest,
    clocks: clocks.filter(({ node }) => kept.some(entry => entry.node === node)),
    merged: kept,
    mergedLeftOut: mergedLeftOut + merged.length - kept.length,
  };
}

/** What the answers of several nodes begin with. */
interface OrderOverNodes {
  readonly lines: readonly Line[];
  /** The same in a few: who stands out, and the first fault. */
  readonly brief: readonly Line[];
  readonly structured: {
    /** Nodes whose GPUs are worse off than those of the others. */
    readonly nodeOutliers?: readonly NodeOutlier[];
    /** NVLink domains that several of the nodes are in, and who of them has a fault of it. */
    readonly nvlinkDomains?: readonly SharedDomain[];
    readonly merged: readonly MergedEntry[];
    readonly mergedLeftOut: number;
    /** Nodes whose answer was cut: earlier events of theirs may be missing. */
    readonly mergedIncomplete: readonly string[];
    /** How far each node's clock is ahead of ours, where it could be measured. */
    readonly clocks: readonly { readonly node: string; readonly offsetMs: number }[];
  };
}

const OUTLIERS_TOLD_MAX = 2;

/** The order of events over nodes, and the nodes that stand out; undefined where there is neither. */
export function orderOver(nodes: readonly NodeAnswer[]): OrderOverNodes | undefined {
  const answers = nodes.map(({ node, answer }) => ({ node, structured: answer.structured }));
  const outliers = nodeOutliers(answers);
  const order = mergedOrder(nodes);
  const domains = sharedDomains(answers, order.merged);
  const isEventless = nodes.every(({ events }) => events.length === 0);
  if (nodes.length < 2 || (isEventless && outliers.length + domains.length === 0)) return undefined;
  const clocks = nodes.flatMap(({ node, clock }) => (clock ? [{ node, ...clock }] : []));
  return {
    lines: linesOf([
      ...domainLines(domains),
      ...nodeOutlierLines(outliers),
      ...(isEventless ? [] : orderLines(order, nodes)),
    ]),
    brief: linesOf([
      ...domainLines(domains),
      ...nodeOutlierLines(outliers).slice(0, OUTLIERS_TOLD_MAX),
      ...firstFaultLine(order, nodes),
    ]),
    structured: {
      ...(outliers.length === 0 ? {} : { nodeOutliers: outliers }),
      ...(domains.length === 0 ? {} : { nvlinkDomains: domains }),
      ...order,
      mergedIncomplete: nodes.flatMap(({ node, fromFirst }) => (fromFirst ? [] : [node])),
      clocks,
    },
  };
}

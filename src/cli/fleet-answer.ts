import type { NodeOutcome } from '../bridge/ask-each.ts';
import { orderOver } from '../bridge/several-nodes.ts';
import { type Answer, type Line, linesOf, type Written } from '../contract/answer.ts';
import { GpuMcpError } from '../contract/errors.ts';
import { Verdict } from '../contract/finding.ts';
import {
  type AnswerList,
  byWorst,
  type FleetRow,
  fleetHead,
  type ListedNode,
  reasonOf,
} from '../contract/fleet.ts';
import { optional } from '../contract/optional.ts';
import { type CommandWords, shellWord, withConnection } from '../contract/printed-command.ts';
import { isoTime } from '../contract/time.ts';
import { VERSION } from '../contract/version.ts';
import type { Document } from '../report/document.ts';
import type { FleetReport } from '../report/fleet-report.ts';
import { fleetTable } from '../report/fleet-table.ts';
import { jobPage } from '../report/job-page.ts';
import { type Form, rendered } from '../report/render.ts';
import { terminalText, wrappedLine } from '../report/terminal.ts';
import { fleetRow, unreadRow } from '../tools/support/fleet-row.ts';
import { type JobAnswer, jobLines } from '../tools/support/job-answer.ts';
import type { AnyTool } from '../tools/tool.ts';
import { NOT_IN_A_ROW } from '../tools/triage-row.ts';

/** Whose pages stand below the table: those of the sick nodes, or of all; none where there are rows alone. */
export type FleetPages = 'sick' | 'all' | 'rows';

interface Options {
  readonly tool: Pick<AnyTool, 'name'>;
  readonly nowMs: number;
  readonly pages: FleetPages;
  /** With details no row and no page is left out. */
  readonly form: Form;
  /** What it comes to for the job whose nodes they are. */
  readonly job?: JobAnswer | undefined;
  /** What the commands carry that it prints. */
  readonly connection?: CommandWords;
}

/** A rack's nodes fit a screen, and any number two or three. */
const FEW_NODES_MAX = 16;
const FEW_LINES_MAX = 25;
const LINES_MAX = 60;

/** What came of many nodes as one answer: the table, then pages as far as they fit; all of it as one list. */
export async function fleetAnswer(
  outcomes: readonly NodeOutcome[],
  options: Options,
): Promise<Answer & { readonly fleet: FleetReport }> {
  const found = outcomes.map(async outcome => {
    const row = rowOf(outcome);
    return { outcome, row, page: await pageOf(outcome, row, options) };
  });
  const nodes = (await Promise.all(found)).toSorted((a, b) => byWorst(a.row, b.row));
  const order = orderOver(outcomes.flatMap(({ answered }) => answered ?? []));
  const head = `${fleetHead(nodes.map(({ row }) => row))}${unrealOf(outcomes)}`;
  const { job } = options;
  const page = job && jobPage(job, options.nowMs, wordsIn(outcomes) ?? options.connection);
  return {
    lines: [
      ...(job && page ? jobLinesOf(job, page, options) : []),
      ...linesOf(linesOver(nodes, order, head, options)),
    ],
    structured: { ...listOf(nodes, order, head, options) },
    fleet: {
      ...optional({ job: page }),
      ...{ head, foot: order?.brief ?? [] },
      nodes: nodes.map(({ outcome, row }) => ({ row, answer: answerOf(outcome) })),
    },
  };
}

/** A job's page as a person reads it on a terminal; elsewhere its lines. */
function jobLinesOf(job: JobAnswer, page: Document, { form }: Options): readonly Line[] {
  if (form.format !== 'text') return linesOf([...jobLines(job), '']);
  return linesOf([...terminalText(page, { ...form, rows: undefined }).split('\n'), '']);
}

/** What the commands carry of the nodes that answered: they are of one cluster, or of none. */
const wordsIn = (outcomes: readonly NodeOutcome[]): CommandWords | undefined =>
  outcomes.flatMap(({ answered }) => answered?.answer.commandWords ?? [])[0];

interface Node {
  readonly outcome: NodeOutcome;
  readonly row: FleetRow;
  /** What a person reads of it; of an unread node only where the cluster knows it. */
  readonly page: readonly Line[] | undefined;
}

/** How many are not nodes as they are now. */
function unrealOf(outcomes: readonly NodeOutcome[]): string {
  const marks = outcomes.flatMap(({ answered }) => answered?.answer.provenance ?? []);
  const words = [
    [marks.filter(({ replay }) => replay).length, 'replayed'],
    [marks.filter(({ simulated }) => simulated).length, 'SIMULATED'],
  ].flatMap(([count, word]) => (count === 0 ? [] : [`${count} ${word}`]));
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}

type Order = ReturnType<typeof orderOver>;

function rowOf({ target, answered, error }: NodeOutcome): FleetRow {
  return answered
    ? fleetRow(target, answered.answer.structured)
    : unreadRow(target, wordsOf(error));
}

const wordsOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** What a node said; of an unread one what the cluster says of it. */
const answerOf = ({ answered, error }: NodeOutcome): Answer | undefined =>
  answered?.answer ?? (error instanceof GpuMcpError ? error.answer : undefined);

/** The page that the node alone would have, as lines; none where nobody reads it. */
async function pageOf(
  outcome: NodeOutcome,
  { verdict }: FleetRow,
  { pages, form }: Options,
): Promise<Node['page']> {
  if (['json', 'yaml', 'html'].includes(form.format)) return undefined;
  if (pages === 'rows' && !form.details) return undefined;
  if (pages !== 'all' && verdict === 'healthy' && !form.details) return undefined;
  const answer = answerOf(outcome);
  if (!answer) return undefined;
  const colour = form.colour && form.format === 'text';
  const own = { ...form, colour, format: 'text' } as const;
  const text = await rendered({ ...answer, title: outcome.target }, own);
  return linesOf(text.trimEnd().split('\n'));
}

/** The table first, then pages: all of them with --details, else the first that still fit a screen or two. */
function linesOver(nodes: readonly Node[], order: Order, head: string, options: Options) {
  const { details, width: columns } = options.form;
  const linesMax = details
    ? Number.POSITIVE_INFINITY
    : nodes.length <= FEW_NODES_MAX && options.pages !== 'all' && !options.job
      ? FEW_LINES_MAX
      : LINES_MAX;
  const wrapped = (text: string) => wrappedLine(text, columns).split('\n');
  const brief = (order?.brief ?? []).flatMap(({ text }) => wrapped(text));
  const foot = [
    ...(details ? (order?.lines ?? []) : brief),
    ...(options.pages === 'rows' ? rowsOnly(nodes, options).flatMap(wrapped) : []),
  ];
  const rows = nodes.map(({ row }) => row);
  // Head, heading, two blank lines and the line on what was left out.
  const rowsMax = linesMax - foot.length - 6;
  const lines: Written[] = [
    head,
    '',
    ...fleetTable(rows, { columns, linesMax: rowsMax }),
    ...(foot.length > 0 ? ['', ...foot] : []),
  ];
  const wanted = nodes.filter(({ page }) => page);
  let shown = 0;
  for (const { row, page = [] } of wanted) {
    // All pages of a tool that judges nothing are what was asked for.
    const fits = options.pages === 'all' || lines.length + page.length + 4 <= linesMax;
    if (!fits) break;
    lines.push('', `== ${row.node}`, ...page);
    shown += 1;
  }
  const left = wanted.length - shown;
  return left === 0 ? lines : [...lines, '', leftOut(left, options)];
}

/** What rows leave out, and how the page of a sick node is had. */
function rowsOnly(nodes: readonly Node[], { connection }: Options): readonly string[] {
  const sick = nodes.filter(({ row }) => row.verdict !== 'healthy').map(({ row }) => row.node);
  const areOfOne = sick.every(name => placeOf(name).context === undefined);
  const names = areOfOne ? sick.slice(0, SICK_NAMED_MAX).map(shellWord).join(' ') : 'NODE';
  const command = `kubectl gpu-mcp triage ${names}${areOfOne ? '' : ' --context CONTEXT'}`;
  return [
    `Rows alone: without ${NOT_IN_A_ROW.join('; ')}.`,
    ...(sick.length === 0
      ? []
      : [`The whole page: ${connection ? withConnection(command, connection) : command}`]),
  ];
}

const SICK_NAMED_MAX = 4;

const leftOut = (pages: number, { connection }: Options): string =>
  `${pages} ${pages === 1 ? 'page is' : 'pages are'} left out: --details prints all${connection?.within ? '' : ', triage NODE one'}.`;

function listOf(
  nodes: readonly Node[],
  order: Order,
  summary: string,
  options: Options,
): AnswerList {
  const count = (verdict: FleetRow['verdict']) =>
    nodes.filter(({ row }) => row.verdict === verdict).length;
  return {
    ...{ apiVersion: 'gpu-mcp/v1', kind: 'AnswerList', tool: options.tool.name },
    takenAt: isoTime(options.nowMs),
    versions: { plugin: VERSION },
    summary,
    counts: {
      nodes: nodes.length,
      unread: count('unread'),
      critical: count('critical'),
      warning: count('warning'),
      unknown: count('unknown'),
      healthy: count('healthy'),
    },
    ...(count('unread') > 0 && { unreadFor: unreadFor(nodes) }),
    across: { ...order?.structured },
    ...(options.job && { job: options.job }),
    ...(options.pages === 'rows' && { leftOut: [...NOT_IN_A_ROW] }),
    items: nodes.map(listed),
  };
}

function unreadFor(nodes: readonly Node[]): NonNullable<AnswerList['unreadFor']> {
  const unread = nodes.filter(({ row }) => row.verdict === 'unread');
  return [...Map.groupBy(unread, ({ row }) => reasonOf(row))]
    .map(([reason, of]) => ({ reason, nodes: of.length }))
    .toSorted((a, b) => b.nodes - a.nodes);
}

/** `CONTEXT/NODE` where several contexts were asked for: a node's name has no slash. */
function placeOf(target: string): Pick<ListedNode, 'node' | 'context'> {
  const at = target.lastIndexOf('/');
  return at < 0 ? { node: target } : { node: target.slice(at + 1), context: target.slice(0, at) };
}

function listed({ outcome: { target, answered, error } }: Node): ListedNode {
  const place = placeOf(target);
  if (answered) {
    const { structured, provenance = {} } = answered.answer;
    const verdict = Verdict.safeParse(structured['verdict']).data;
    return { ...place, ok: true, ...optional({ verdict }), provenance, answer: structured };
  }
  const known = error instanceof GpuMcpError ? error : undefined;
  return {
    ...place,
    ok: false,
    ...(known?.answer && { verdict: 'unknown' as const, answer: known.answer.structured }),
    error: {
      message: wordsOf(error),
      exitCode: known?.exit ?? 1,
      ...optional({ hint: known?.hint }),
    },
  };
}

import type { Line } from '../contract/answer.ts';
import { byWorst, type FleetRow, reasonOf, VERDICT_WORDS, WORST_FIRST } from '../contract/fleet.ts';

export interface TableSize {
  readonly columns: number;
  /** Nodes beyond are counted by what they are. */
  readonly linesMax: number;
}

/** Nodes of which the same is to be said, as one row. */
interface Folded {
  readonly row: FleetRow;
  readonly nodes: readonly string[];
}

/** Fewer sick nodes than this are shown each by itself: who is sick must be read at once. */
const SICK_FOLDED_MIN = 3;

/** One line a node, equal nodes in one, worst first. Pure. */
export function fleetTable(rows: readonly FleetRow[], size: TableSize): readonly Line[] {
  const folded = foldedRows(rows.toSorted(byWorst));
  const widths = widthsOf(folded, size.columns);
  const lines = folded.map(of => linesOf(of, widths, size.columns));
  const shown = lines.findIndex(
    (_, index) => lines.slice(0, index + 1).flat().length > size.linesMax,
  );
  const left = shown < 0 ? [] : folded.slice(shown);
  return [
    { kind: 'detail', text: lineOf(['NODE', 'VERDICT', 'GPUS', 'WHAT', 'DO'], widths) },
    ...lines.slice(0, folded.length - left.length).flat(),
    ...(left.length === 0 ? [] : [leftOut(left)]),
  ];
}

/** Equal nodes as one row: those that are well from two on, sick ones from three. */
export function foldedRows(rows: readonly FleetRow[]): readonly Folded[] {
  const groups = new Map<string, FleetRow[]>();
  for (const row of rows) {
    const { node: _, ...same } = row.verdict === 'unread' ? { ...row, what: reasonOf(row) } : row;
    const key = JSON.stringify(row.verdict === 'healthy' ? [same.machine, same.gpus] : same);
    groups.set(`${row.verdict} ${key}`, [...(groups.get(`${row.verdict} ${key}`) ?? []), row]);
  }
  return [...groups.values()].flatMap(group => {
    const [row] = group;
    const isFolded = group.length >= (row?.verdict === 'healthy' ? 2 : SICK_FOLDED_MIN);
    const what = row?.verdict === 'unread' ? { what: reasonOf(row) } : {};
    return row && isFolded
      ? [{ row: { ...row, ...what }, nodes: group.map(({ node }) => node) }]
      : group.map(alone => ({ row: alone, nodes: [alone.node] }));
  });
}

/** Widths of node, verdict, GPUs, what and step; 0 leaves a column out. */
type Widths = readonly [number, number, number, number, number];
const GAP = 2;
const VERDICT_WIDTH = 8;
const NODE_WIDTH_MAX = 36;
const STEP_WIDTH_MAX = 16;
/** A sentence that is narrower says nothing: the step then makes room for it. */
const WHAT_WIDTH_MIN = 28;

function widthsOf(folded: readonly Folded[], columns: number): Widths {
  const longest = (texts: readonly string[], min: number) =>
    Math.max(min, ...texts.map(text => text.length));
  const node = Math.min(longest(folded.map(nodeCell), 4), NODE_WIDTH_MAX);
  const gpus = longest(
    folded.map(({ row }) => gpusCell(row)),
    4,
  );
  const wanted = Math.min(
    longest(
      folded.map(({ row }) => row.step),
      2,
    ),
    STEP_WIDTH_MAX,
  );
  const rest = columns - node - VERDICT_WIDTH - gpus - 3 * GAP;
  const isEmpty = folded.every(({ row }) => row.step === '');
  const step = isEmpty || rest - wanted - GAP < WHAT_WIDTH_MIN ? 0 : wanted;
  return [node, VERDICT_WIDTH, gpus, step === 0 ? rest : rest - step - GAP, step];
}

const nodeCell = ({ row, nodes }: Folded): string =>
  nodes.length > 1 ? `${nodes.length} nodes` : row.node;

const gpusCell = ({ gpus }: FleetRow): string => (gpus ? `${gpus.well}/${gpus.all}` : '-');

function linesOf(folded: Folded, widths: Widths, columns: number): readonly Line[] {
  const { row, nodes } = folded;
  const kind = row.verdict === 'unread' ? 'unknown' : row.verdict;
  const isWell = row.verdict === 'healthy';
  const verdict = isWell ? 'healthy' : VERDICT_WORDS[row.verdict].toUpperCase();
  const name = nodeCell(folded);
  const cells = [verdict, gpusCell(row), isWell ? row.machine : row.what, row.step];
  const long = name.length > widths[0];
  return [
    ...(long ? [{ kind, text: name }] : []),
    { kind, text: lineOf([long ? '' : name, ...cells], widths) },
    ...(nodes.length > 1 && !isWell ? [{ kind, text: namesLine(nodes, columns) }] : []),
  ];
}

/** The names that fold into a row, as many as a line holds. */
function namesLine(nodes: readonly string[], columns: number): string {
  const shown: string[] = [];
  for (const [index, node] of nodes.entries()) {
    const left = nodes.length - index - 1;
    const more = left === 0 ? '' : ` and ${left} more`;
    if (`  ${[...shown, node].join(', ')}${more}`.length > columns && shown.length > 0) break;
    shown.push(node);
  }
  const left = nodes.length - shown.length;
  return `  ${shown.join(', ')}${left === 0 ? '' : ` and ${left} more`}`;
}

const lineOf = (cells: readonly string[], widths: Widths): string =>
  cells
    .flatMap((cell, column) => {
      const step = cells[4] === '' && widths[4] > 0 ? widths[4] + GAP : 0;
      // Where nothing is to be done, what there is to say has that room too.
      const width = (widths[column] ?? 0) + (column === 3 ? step : 0);
      if (column === 4 && cell === '') return [];
      return width === 0 ? [] : [shortened(cell, width).padEnd(width)];
    })
    .join(' '.repeat(GAP))
    .trimEnd();

/** As many whole words as fit; what is left out shows. */
function shortened(text: string, width: number): string {
  if (text.length <= width) return text;
  const cut = text.slice(0, width);
  const end = cut.lastIndexOf(' ');
  return `${(end > 0 ? cut.slice(0, end) : cut.slice(0, width - 1)).replace(/[ ,;:(]+$/, '').slice(0, width - 1)}…`;
}

function leftOut(folded: readonly Folded[]): Line {
  const counts = WORST_FIRST.flatMap(verdict => {
    const nodes = folded
      .filter(({ row }) => row.verdict === verdict)
      .flatMap(({ nodes: of }) => of);
    return nodes.length === 0 ? [] : [`${nodes.length} ${VERDICT_WORDS[verdict]}`];
  });
  return { kind: 'plain', text: `and more: ${counts.join(', ')}` };
}

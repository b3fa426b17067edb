import type { Answer, Line } from '../contract/answer.ts';
import { type FleetRow, VERDICT_WORDS } from '../contract/fleet.ts';
import { foldedRows } from './fleet-table.ts';
import { reportBody } from './incident-report.ts';
import { type Child, element, type Markup } from './markup.ts';

/** What many nodes answered, worst first. */
export interface FleetReport {
  /** How many there are of each kind. */
  readonly head: string;
  /** What only all of them together tell. */
  readonly foot: readonly Line[];
  readonly nodes: readonly {
    readonly row: FleetRow;
    /** Absent where nothing is known of it but why it could not be read. */
    readonly answer?: Answer | undefined;
  }[];
}

/** Writes the page of one node. */
type PageOf = (answer: Answer, id: string) => Markup;

/** An index, worst first, then the pages of the sick; those that are well are folded. */
export function fleetMarkup({ head, foot, nodes }: FleetReport, pageOf: PageOf): Markup {
  const pages = nodes.map(({ row, answer }, at) => {
    const id = `node-${at + 1}`;
    return { row, id, page: answer && pageOf(answer, id) };
  });
  const idOf = (node: string) => pages.find(({ row, page }) => page && row.node === node)?.id;
  const isWell = ({ row }: (typeof pages)[number]) => row.verdict === 'healthy';
  const well = pages.filter(page => isWell(page) && page.page);
  return reportBody(
    element(
      'section',
      { class: 'index' },
      element('h1', {}, head),
      indexTable(
        nodes.map(({ row }) => row),
        idOf,
      ),
      foot.map(({ text }) => element('p', { class: 'faint' }, text)),
    ),
    pages.filter(page => !isWell(page)).map(({ page }) => page),
    well.length === 0
      ? undefined
      : element(
          'details',
          { class: 'folded' },
          element('summary', {}, `Pages of the ${well.length} that are well`),
          well.map(({ page }) => page),
        ),
  );
}

const COLUMNS = ['Node', 'Verdict', 'GPUs', 'What', 'Do'];

function indexTable(rows: readonly FleetRow[], idOf: (node: string) => string | undefined): Markup {
  const named = (node: string): Child => {
    const id = idOf(node);
    return id === undefined ? node : element('a', { href: `#${id}` }, node);
  };
  return element(
    'table',
    {},
    element(
      'thead',
      {},
      element(
        'tr',
        {},
        COLUMNS.map(words => element('th', { scope: 'col' }, words)),
      ),
    ),
    element(
      'tbody',
      {},
      foldedRows(rows).map(({ row, nodes }) => {
        const tone = row.verdict === 'unread' ? 'unknown' : row.verdict;
        return element(
          'tr',
          {},
          element('td', {}, nodes.length === 1 ? named(row.node) : foldedNames(nodes, named)),
          element('td', {}, element('b', { class: tone }, VERDICT_WORDS[row.verdict])),
          element('td', {}, row.gpus ? `${row.gpus.well}/${row.gpus.all}` : '–'),
          element('td', {}, row.verdict === 'healthy' ? row.machine : row.what),
          element('td', {}, row.step),
        );
      }),
    ),
  );
}

const foldedNames = (nodes: readonly string[], named: (node: string) => Child): Markup =>
  element(
    'details',
    {},
    element('summary', {}, `${nodes.length} nodes`),
    nodes.map((node, at) => [at === 0 ? '' : ', ', named(node)]),
  );

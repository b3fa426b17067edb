import type { Answer, Line } from '../contract/answer.ts';
import { type FleetRow, VERDICT_WORDS } from '../contract/fleet.ts';
import type { Document } from './document.ts';
import { foldedRows } from './fleet-table.ts';
import { groupMarkup } from './html.ts';
import { reportBody } from './incident-report.ts';
import { type Child, element, type Markup } from './markup.ts';

/** What many nodes answered, worst first. */
export interface FleetReport {
  /** Where they are the nodes of a job: what it comes to for that, the verdict first. */
  readonly job?: Document;
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

/** An answer with its name; that of many nodes with what each of them said. */
export interface Titled extends Answer {
  readonly title: string;
  readonly fleet?: FleetReport;
}

/** Writes the page of one node. */
type PageOf = (answer: Answer, id: string) => Markup;

/** An index, worst first, then the pages of the sick; those that are well are folded. */
export function fleetMarkup({ job, head, foot, nodes }: FleetReport, pageOf: PageOf): Markup {
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
      job && jobMarkup(job),
      element(job ? 'h2' : 'h1', {}, head),
      indexList(
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

function jobMarkup({ headline, groups }: Document): readonly Markup[] {
  const { verdict, node, extent, origin } = headline;
  return [
    element('h1', {}, `${verdict.text} ${node}`),
    element('p', { class: 'faint' }, `${extent}, ${origin}`),
    ...groups.map(group => groupMarkup(group, 2)),
  ];
}

/** A line for each kind of node on a screen; on a phone what it has stands below its name. */
function indexList(rows: readonly FleetRow[], idOf: (node: string) => string | undefined): Markup {
  const named = (node: string): Child => {
    const id = idOf(node);
    return id === undefined ? node : element('a', { href: `#${id}` }, node);
  };
  const cell = (style: string, ...children: Child[]) => element('span', { class: style }, children);
  return element(
    'ul',
    { class: 'nodes' },
    foldedRows(rows).map(({ row, nodes }) => {
      const { verdict, gpus, machine, what, step } = row;
      const tone = verdict === 'unread' ? 'unknown' : verdict;
      const isFolded = nodes.length > 1;
      return element(
        'li',
        {},
        cell(`verdict ${tone}`, VERDICT_WORDS[verdict]),
        cell('node', isFolded ? `${nodes.length} nodes` : named(row.node)),
        cell('of', gpus ? `${gpus.well} of ${gpus.all} GPUs answer` : ''),
        cell('what', verdict === 'healthy' ? machine : what),
        cell('step', step === '' ? '' : `Do: ${step}`),
        isFolded
          ? element(
              'details',
              {},
              element('summary', {}, 'Which'),
              nodes.map((node, at) => [at === 0 ? '' : ', ', named(node)]),
            )
          : undefined,
      );
    }),
  );
}

import type * as z from 'zod';
import { type Answer, textOf } from '../contract/answer.ts';
import { VERSION } from '../contract/version.ts';
import { HealthFacts } from '../tools/catalog/get-gpu-health.ts';
import { TimelineFacts } from '../tools/catalog/get-gpu-timeline.ts';
import { TopologyFacts } from '../tools/catalog/get-nvlink-topology.ts';
import { TelemetryFacts } from '../tools/catalog/sample-gpu-telemetry.ts';
import type { TriageFacts } from '../tools/support/triage-facts.ts';
import type { Document } from './document.ts';
import { type Timeline, timelineOf, timelineTable } from './event-timeline.ts';
import { type GpuStrip, gpuCards, gpuStrip } from './gpu-cards.ts';
import { groupMarkup, textMarkup } from './html.ts';
import { type Child, element, type Markup } from './markup.ts';
import { type Neighbours, neighboursOf, neighboursTable } from './neighbours.ts';
import { counted } from './person-words.ts';
import { timelineDrawing, timelineLegend } from './timeline-drawing.ts';
import { brokenLinks, nicWords, type Topology, topologyOf, topologyTable } from './topology.ts';
import { topologyDrawing } from './topology-drawing.ts';
import { detailParts } from './triage-details.ts';
import { headline, type Page, type TriageParts, triageParts } from './triage-page.ts';

/** All that is known of a node's fault, laid out for a file that is handed on. */
export interface IncidentReport {
  readonly headline: Document['headline'];
  readonly parts: TriageParts;
  readonly details: ReturnType<typeof detailParts>;
  readonly strip: GpuStrip;
  readonly neighbours: Neighbours;
  readonly timeline: Timeline | undefined;
  readonly topology: Topology | undefined;
  /** What was asked for a part and not got. */
  readonly missing: readonly string[];
  /** What a vendor's ticket asks for. */
  readonly ticket: string | undefined;
  /** The facts themselves as JSON, tool by tool. */
  readonly raw: readonly { readonly tool: string; readonly json: string }[];
}

/** The report of a triage; drawings are of what its node was asked beside it. */
export function incidentReport(facts: TriageFacts, answer: Answer, page: Page): IncidentReport {
  const { beside = {} } = answer;
  const health = factsOf(HealthFacts, beside['get_gpu_health']);
  const timeline = factsOf(TimelineFacts, beside['get_gpu_timeline']);
  const topology = factsOf(TopologyFacts, beside['get_nvlink_topology']);
  const telemetry = factsOf(TelemetryFacts, beside['sample_gpu_telemetry']);
  const ticket = beside['get_incident_report'];
  return {
    headline: headline(facts, page.provenance),
    parts: triageParts(facts, { ...page, details: true }),
    details: detailParts(facts),
    strip: gpuStrip(facts, {
      ...(health.facts && { health: health.facts }),
      ...(telemetry.facts && { telemetry: telemetry.facts }),
      telemetryMissing: telemetry.why,
    }),
    neighbours: neighboursOf(facts, {
      ...(health.facts && { health: health.facts }),
      ...(topology.facts && { topology: topology.facts }),
    }),
    timeline: timeline.facts && timelineOf(facts, timeline.facts),
    topology: topology.facts && topologyOf(facts, topology.facts),
    // Beside others a node that is well is asked for no more than its triage.
    missing:
      answer.beside === undefined
        ? []
        : [
            ...(timeline.facts ? [] : [`Timeline: ${timeline.why}`]),
            ...(topology.facts ? [] : [`Links: ${topology.why}`]),
          ],
    ticket: ticket && 'lines' in ticket ? textOf(ticket.lines) : undefined,
    raw: rawOf(answer),
  };
}

type Beside = NonNullable<Answer['beside']>[string] | undefined;

/** The facts of an answer, or why there are none. */
function factsOf<Facts>(
  schema: z.ZodType<Facts>,
  beside: Beside,
): { readonly facts?: Facts; readonly why: string } {
  if (!beside) return { why: 'nobody asked for one' };
  if (!('structured' in beside)) return { why: beside.why };
  const parsed = schema.safeParse(beside.structured);
  return parsed.success
    ? { facts: parsed.data, why: '' }
    : { why: 'its answer could not be understood' };
}

/** What of the facts fits beside the page: a file of this kind is sent by mail. */
const RAW_CHARACTERS_MAX = 60_000;

function rawOf(answer: Answer): IncidentReport['raw'] {
  const answers = [
    [answer.tool ?? 'facts', answer] as const,
    ...Object.entries(answer.beside ?? {}),
  ];
  let room = RAW_CHARACTERS_MAX;
  return answers.flatMap(([tool, each]) => {
    if (!('structured' in each)) return [];
    const json = JSON.stringify(each.structured);
    room -= json.length;
    return [{ tool, json: room >= 0 ? json : '' }];
  });
}

/** Where a report stands in its file: what its ids begin with, and the level of its title. */
export interface Place {
  readonly id: string;
  readonly level: number;
}

export function reportMarkup(report: IncidentReport, place: Place): Markup {
  const { headline: head, parts, missing } = report;
  const below = place.level + 1;
  return element(
    'article',
    { class: `report ${head.verdict.tone}`, id: place.id, 'aria-labelledby': `${place.id}-title` },
    reportHead(report, place),
    element(
      'div',
      { class: 'act' },
      parts.hit.length === 0
        ? undefined
        : element('div', { class: 'hit' }, groupMarkup(parts.hit, below)),
      element(
        'div',
        { class: 'do' },
        groupMarkup(parts.steps, below),
        parts.rootShell.length === 0
          ? undefined
          : element('div', { class: 'shell' }, groupMarkup(parts.rootShell, below)),
      ),
    ),
    course(report, place),
    part('The GPUs', below, [
      element('p', { class: 'faint' }, windowWords(report)),
      gpuCards(report.strip),
    ]),
    part('Compared with their neighbours', below, neighboursTable(report.neighbours)),
    links(report, place),
    parts.also.length === 0 ? undefined : groupMarkup(parts.also, below),
    part('The machine', below, [
      groupMarkup([...parts.machine, ...parts.coverage], below),
      missing.map(words => element('p', {}, `Not in this report: ${words}.`)),
    ]),
    evidence(report, place),
    ticketPart(report, below),
    rawPart(report, below),
  );
}

const part = (heading: string, level: number, ...children: Child[]): Markup =>
  element('section', {}, element(`h${level}`, {}, heading), children);

function reportHead({ headline: head, parts }: IncidentReport, { id, level }: Place): Markup {
  const [first, ...others] = parts.told;
  const { verdict, node, extent, origin, isReal } = head;
  return element(
    'header',
    {},
    element(
      'p',
      { class: 'mark' },
      element('span', { class: `badge ${verdict.tone}` }, verdict.text),
      ' ',
      element('b', {}, node),
      extent === '' ? undefined : ` · ${extent}`,
      ' ',
      element('span', { class: isReal ? 'origin' : 'origin simulated' }, origin),
    ),
    element(
      `h${level}`,
      { id: `${id}-title`, class: 'title' },
      first?.kind === 'text' ? textMarkup(first.text) : node,
    ),
    groupMarkup(others, level + 1),
  );
}

/** The course of the fault: drawn, in its decisive steps, and event by event. */
function course({ timeline, parts }: IncidentReport, { id, level }: Place): Child {
  const why = parts.why.flatMap(block => (block.kind === 'section' ? block.blocks : [block]));
  const events = timeline?.events.length ?? 0;
  if (why.length === 0 && events === 0) return undefined;
  const heading =
    events === 0 ? 'What shows it' : why.length === 0 ? 'What happened' : 'How it came about';
  return part(heading, level + 1, [
    timeline && events > 0
      ? element(
          'figure',
          {},
          timelineDrawing(timeline, `${id}-timeline`),
          element('figcaption', { class: 'faint' }, timelineLegend(timeline), notDrawn(timeline)),
        )
      : undefined,
    groupMarkup(why, level + 2),
    timeline && events > 0
      ? element(
          'details',
          {},
          element('summary', {}, `All ${counted(events, 'event')}`),
          timelineTable(timeline),
        )
      : undefined,
  ]);
}

const notDrawn = ({ timeless, leftOut }: Timeline): string =>
  [
    ...(timeless > 0 ? [` ${counted(timeless, 'event')} without a time of day left out.`] : []),
    ...(leftOut > 0 ? [` ${counted(leftOut, 'older event')} not shown.`] : []),
  ].join('');

const windowWords = ({ strip }: IncidentReport): string => {
  const hasLines = strip.cards.some(({ figures }) =>
    figures.some(({ samples }) => samples.length > 1),
  );
  return hasLines
    ? `Lines: how it went from ${strip.window}.`
    : `No course over time: ${strip.window}.`;
};

function links({ topology }: IncidentReport, { id, level }: Place): Child {
  if (!topology || topology.gpus.length === 0) return undefined;
  const broken = brokenLinks(topology);
  const { switches } = topology;
  return part(
    'How they are joined',
    level + 1,
    element(
      'div',
      { class: 'joined' },
      element('figure', {}, topologyDrawing(topology, `${id}-topology`)),
      element(
        'div',
        {},
        broken.length === 0
          ? element('p', {}, 'Every link that was read is up.')
          : element(
              'ul',
              { class: 'broken' },
              broken.map(words => element('li', {}, words)),
            ),
        switches === undefined
          ? undefined
          : element('p', { class: 'faint' }, `NVLink goes by ${switches}.`),
        topologyTable(topology),
        topology.nics.map(nic => element('p', { class: 'faint' }, nicWords(nic, topology))),
      ),
    ),
  );
}

function evidence({ details }: IncidentReport, { level }: Place): Markup {
  const { findings, others } = details;
  return part(
    'Evidence',
    level + 1,
    findings.map(([title, ...rest], at) =>
      element(
        'details',
        at === 0 ? { open: '' } : {},
        element('summary', {}, title?.kind === 'text' ? textMarkup(title.text) : undefined),
        groupMarkup(rest, level + 2),
      ),
    ),
    element(
      'details',
      {},
      element('summary', {}, 'Checks, GPUs, cluster and logs'),
      groupMarkup(others.flat(), level + 2),
    ),
  );
}

function ticketPart({ ticket }: IncidentReport, level: number): Child {
  if (ticket === undefined) return undefined;
  return part(
    'For the vendor’s ticket',
    level,
    element(
      'details',
      {},
      element('summary', {}, 'Boards, versions, XIDs and evidence as text'),
      element('p', { class: 'faint' }, 'One click selects all of it.'),
      element('pre', { class: 'ticket' }, ticket),
    ),
  );
}

function rawPart({ raw }: IncidentReport, level: number): Markup {
  return element(
    'section',
    { class: 'raw' },
    element(`h${level}`, {}, 'The facts as JSON'),
    raw.map(({ tool, json }) =>
      element(
        'details',
        {},
        element('summary', {}, tool),
        json === ''
          ? element('p', {}, 'Too long for this file: the same call with -o json prints it.')
          : element('pre', {}, json),
      ),
    ),
  );
}

/** The whole file: reports, and below them where they are from. */
export const reportBody = (...reports: Child[]): Markup =>
  element(
    'div',
    { class: 'page' },
    element('main', {}, reports),
    element(
      'footer',
      {},
      element(
        'p',
        { class: 'faint' },
        `kubectl gpu-mcp ${VERSION}. This file runs no script and asks no server. It names processes and pods; --redact-names makes one that does not.`,
      ),
    ),
  );

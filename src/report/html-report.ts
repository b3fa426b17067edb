import type { Answer } from '../contract/answer.ts';
import { triageGpuNode } from '../tools/catalog/triage-gpu-node.ts';
import { TriageFacts } from '../tools/support/triage-facts.ts';
import { fleetMarkup, type Titled } from './fleet-report.ts';
import { htmlPage, linesBody } from './html.ts';
import { incidentReport, type Place, reportBody, reportMarkup } from './incident-report.ts';
import { element, type Markup } from './markup.ts';
import { styled } from './style.ts';

/** An answer as one file: of one node or of many, laid out where it is a triage, else its lines. */
export function htmlReport(answer: Titled): string {
  const { title, fleet } = answer;
  if (fleet) {
    const body = fleetMarkup(fleet, (of, id) => pageOf(of, { id, level: 2 }, title));
    return htmlPage(title, body);
  }
  return htmlPage(title, reportBody(pageOf(answer, { id: 'node-1', level: 1 }, title)));
}

function pageOf(answer: Answer, place: Place, title: string): Markup {
  const { tool, structured, provenance = {}, commandWords = NOWHERE } = answer;
  if (tool === triageGpuNode.name) {
    const page = { title, provenance, commandWords, details: true };
    return reportMarkup(incidentReport(TriageFacts.parse(structured), answer, page), place);
  }
  const name = place.level === 1 ? title : String(structured['node'] ?? title);
  return element(
    'article',
    { class: 'report', id: place.id },
    element('header', {}, element(`h${place.level}`, { class: 'title' }, name)),
    element('section', {}, linesBody(styled(answer))),
  );
}

const NOWHERE = { connection: [], namespace: [] };

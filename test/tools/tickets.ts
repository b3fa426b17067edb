import { expect } from 'vitest';
import * as z from 'zod';
import { Finding } from '../../src/contract/finding.ts';
import { present } from '../../src/contract/reading.ts';
import { getIncidentReport } from '../../src/tools/catalog/get-incident-report.ts';
import { AZURE_CATEGORIES } from '../../src/tools/support/azure-categories.ts';
import { ClusterPart } from '../../src/tools/support/cluster-rows.ts';
import { GpuRow } from '../../src/tools/support/gpu-rows.ts';
import { NodeRow } from '../../src/tools/support/node-row.ts';
import {
  TICKET_FORMATS,
  Ticket,
  type TicketFormat,
  ticketLines,
  ticketOf,
} from '../../src/tools/support/ticket.ts';
import { Incident } from '../../src/xid/events.ts';
import { RECOVERY_ACTIONS } from '../../src/xid/nvidia-actions.ts';
import { answered } from '../fakes/answers.ts';
import { aNode, aView } from '../fakes/cluster-view.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

const Report = z.looseObject({ ticket: Ticket });
export const Facts = z.looseObject({
  ...{ node: z.string(), host: NodeRow, gpus: z.array(GpuRow), findings: z.array(Finding) },
  ...{ incidents: z.array(Incident), cluster: ClusterPart },
  xids: z.array(z.looseObject({ time: z.string().nullable(), text: z.string() })),
  xidsLeftOut: z.int(),
});

export async function ticketFor(
  machine: string,
  format: TicketFormat,
  providerId?: string,
  labels: Readonly<Record<string, string>> = {},
) {
  const alone = await answered(getIncidentReport, { format }, instrumentsOf(machine));
  const node = present(aNode({ labels, ...(providerId !== undefined && { providerId }) }));
  const { ticket } = Report.parse(alone.joined(aView({ node })).structured);
  const value = (name: string) => ticket.fields.find(field => field.name === name)?.value;
  return { ticket, value };
}

/** What a form wants to hear in words of its own. */
const OWN_WORDS = ['Nvidia', ...AZURE_CATEGORIES, 'UNRECOVERABLE_GPU_ERROR'];

/** Between the words that were read, and names of readings. */
const OUR_WORDS = [
  ...['', 'from', 'to', 'times'],
  ...RECOVERY_ACTIONS.flatMap(({ name }) => name.split(' ')),
];

export async function holdsWhatWasRead(machine: string): Promise<void> {
  const alone = await answered(getIncidentReport, {}, instrumentsOf(machine));
  const { structured } = alone.joined(aView({}));
  const known = JSON.stringify(structured);
  const report = getIncidentReport.output.parse(structured);
  for (const format of TICKET_FORMATS) {
    const ticket = ticketOf(format, Facts.parse(report));
    for (const { name, value } of ticket.fields) {
      if (value === undefined || OWN_WORDS.includes(value)) continue;
      const parts = /remapped rows|recovery action|InfoROM|rack|observed|line|How often/.test(name)
        ? value.split(/[ ,;()]+/).filter(part => !OUR_WORDS.includes(part))
        : [value];
      for (const part of parts) expect(known, name).toContain(JSON.stringify(part).slice(1, -1));
    }
    expect(ticket.fields.some(({ value }) => value === undefined)).toBe(true);
    const text = ticketLines(ticket).join('\n');
    expect(text).toContain('________');
    expect(text).not.toMatch(/undefined|\[object/);
  }
}

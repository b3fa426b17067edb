import * as z from 'zod';
import { commandLine, type Written } from '../../contract/answer.ts';
import { UsageError } from '../../contract/errors.ts';
import { Finding, gpusOf, Verdict } from '../../contract/finding.ts';
import { momentMs } from '../../contract/time.ts';
import { plainText } from '../../contract/untrusted.ts';
import { decidedIncidents, diagnose } from '../../findings/diagnosis.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import { Incident } from '../../xid/events.ts';
import { HEAD, head, unlisted } from '../head.ts';
import { clusterLines } from '../support/cluster-lines.ts';
import { CLUSTER_NOT_READ, ClusterPart, clusterPart } from '../support/cluster-rows.ts';
import { findingLines, incidentLines, verdictLine } from '../support/finding-lines.ts';
import { IDENTITY_FIELDS, TICKET_FIELDS } from '../support/gpu-fields.ts';
import {
  errorLine,
  GpuRow,
  gpuName,
  gpuRows,
  gpuSelector,
  isAbout,
  selectRows,
} from '../support/gpu-rows.ts';
import { moment, REPORT_SINCE } from '../support/moment-input.ts';
import { NodeRow, nodeLine, nodeRow } from '../support/node-row.ts';
import { hostnameOf, readJudged } from '../support/read-node.ts';
import { Searched, searchedLines, searchedPods, searchedText } from '../support/searched.ts';
import { TICKET_FORMATS, Ticket, ticketLines, ticketOf } from '../support/ticket.ts';
import { plural } from '../support/wording.ts';
import { defineTool } from '../tool.ts';

const FINDINGS_MAX = 20;
const INCIDENTS_MAX = 20;
/** Of many the newest, and a few of the oldest, which tell the cause. */
const XIDS_MAX = 60;
const FIRST_XIDS = 6;

const XidLine = z
  .strictObject({
    time: z.string().nullable(),
    pci: z.string().nullable(),
    xid: z.int().nullable(),
    sxid: z.int().nullable(),
    text: z.string(),
  })
  .meta({ listedKeys: ['time', 'pci', 'xid', 'text'] });

/** What a vendor asks for besides the report itself; run on the node, as root. */
const COMMANDS = [
  'nvidia-bug-report.sh --extra-system-data  (as root on the node, before any reset or reboot; of Blackwell and newer only with NVIDIA MFT installed does it read the links)',
  'nvidia-bug-report.sh --safe-mode  (where the first one hangs)',
  'nvidia-smi -q; nvidia-smi nvlink -e',
  'dcgmi diag -r 3  (on a drained node: it loads the GPUs)',
];

export const getIncidentReport = defineTool({
  name: 'get_incident_report',
  title: 'Report for a ticket',
  description:
    "Gathers what a post-mortem or the vendor's ticket asks for: serial and part numbers, VBIOS, InfoROM, ECC, remaps, driver, kernel, XIDs, findings, events. " +
    'Ask it last.',
  input: z.strictObject({
    gpu: gpuSelector,
    finding: z.string().max(160).optional().describe('The id of one finding: it alone.'),
    since: moment.default(REPORT_SINCE).describe('How far back.'),
    format: z.enum(TICKET_FORMATS).optional().describe('A form.'),
  }),
  output: z.strictObject({
    ...HEAD,
    verdict: Verdict,
    host: unlisted(NodeRow),
    gpus: z
      .array(GpuRow.meta({ listedKeys: ['index', 'pci', 'serial'] }))
      .describe('Those concerned; without a fault all.'),
    findings: z.array(unlisted(Finding)),
    incidents: z.array(unlisted(Incident)),
    xids: z.array(XidLine),
    xidsLeftOut: z.int().min(0),
    commands: z.array(z.string()),
    cluster: unlisted(ClusterPart),
    searched: unlisted(Searched),
    ticket: unlisted(Ticket).optional(),
  }),
  async observe(input, instruments, signal) {
    const sinceMs = momentMs(input.since, instruments.clock.nowMs());
    const read = await readJudged(instruments, { sinceMs }, signal);
    const { judged, shown: facts } = read;
    const { verdict, findings } = diagnose(judged);
    const { log } = facts;
    const serious =
      input.finding === undefined
        ? findings.filter(({ severity }) => severity !== 'info')
        : [findingOf(findings, input.finding)];
    const gpus = shownGpus(facts, input, serious);
    const isShown = (pci: string | null) => pci === null || gpus.some(row => row.pci === pci);
    const incidents = decidedIncidents(judged, log.incidents, findings).filter(({ gpu }) =>
      isShown(gpu),
    );
    const xids = log.events
      .filter(({ xid, sxid, pci }) => (xid !== null || sxid !== null) && isShown(pci))
      .toReversed()
      .map(({ time, pci, xid, sxid, text }) => ({ time, pci, xid, sxid, text }));
    const report = {
      ...head(
        instruments,
        hostnameOf(facts),
        serious[0]
          ? `${plural(gpus.length, 'GPU')} in this report, ${plural(xids.length, 'XID line')}. Worst: ${serious[0].title}.`
          : `No fault to report: ${plural(xids.length, 'XID line')} ${searchedText(log.coverage, sinceMs)}.`,
      ),
      verdict,
      host: nodeRow(facts, instruments.node),
      gpus: [...gpus],
      findings: serious
        .filter(
          finding =>
            input.gpu === undefined ||
            gpusOf(finding).length === 0 ||
            gpus.some(row => isAbout(finding, row)),
        )
        .slice(0, FINDINGS_MAX),
      incidents: incidents.slice(0, INCIDENTS_MAX),
      xids:
        xids.length > XIDS_MAX
          ? [...xids.slice(0, XIDS_MAX - FIRST_XIDS), ...xids.slice(-FIRST_XIDS)]
          : xids,
      xidsLeftOut: Math.max(0, xids.length - XIDS_MAX),
      commands: [...COMMANDS],
      cluster: CLUSTER_NOT_READ,
      searched: {
        since: new Date(sinceMs).toISOString(),
        judgedSince: new Date(read.judgedSinceMs).toISOString(),
        kernelLog: [...log.coverage],
        ...searchedPods(facts),
      },
    };
    const { format } = input;
    return format === undefined ? report : { ...report, ticket: ticketOf(format, report) };
  },
  clusterView: {
    question: () => ({}),
    join(facts, view) {
      const cluster = clusterPart(view, { full: false, podsMax: 16, eventsMax: 12 });
      const report = { ...facts, cluster };
      const { ticket } = facts;
      return ticket ? { ...report, ticket: ticketOf(ticket.format, report) } : report;
    },
  },
  lines(facts) {
    const nowMs = Date.parse(facts.takenAt);
    if (facts.ticket) return [verdictLine(facts), '', ...ticketLines(facts.ticket)];
    return [
      verdictLine(facts),
      `report of ${facts.node}, taken ${facts.takenAt}`,
      nodeLine(facts.host),
      ...facts.findings.flatMap(finding => ['', ...findingLines(finding, nowMs)]),
      '',
      ...facts.gpus.flatMap(boardLines),
      ...facts.incidents.flatMap(incident => ['', ...incidentLines(incident, nowMs)]),
      ...(facts.xids.length > 0 ? ['', 'XID lines, newest first:'] : []),
      ...xidLines(facts),
      '',
      ...clusterLines(facts.cluster),
      ...searchedLines(facts.searched, nowMs),
      'to add to the ticket:',
      ...facts.commands.map(command => commandLine('  ', command)),
    ];
  },
});

function xidLines({
  xids,
  xidsLeftOut,
}: {
  readonly xids: readonly z.infer<typeof XidLine>[];
  readonly xidsLeftOut: number;
}): string[] {
  const lines = xids.map(line => `  ${line.time ?? 'time unknown'}  ${line.text}`);
  return xidsLeftOut === 0
    ? lines
    : lines.toSpliced(
        -FIRST_XIDS,
        0,
        `  ${xidsLeftOut} more between, then the first ${FIRST_XIDS}:`,
      );
}

/** Those asked for, else those that something is said of, else all by their identity. */
function shownGpus(
  facts: NodeFacts,
  asked: { readonly gpu?: string | undefined; readonly finding?: string | undefined },
  findings: readonly Finding[],
): readonly GpuRow[] {
  const all = gpuRows(facts, TICKET_FIELDS);
  if (asked.gpu !== undefined) return selectRows(all, asked.gpu);
  const named = all.filter(row => findings.some(finding => isAbout(finding, row)));
  if (asked.finding !== undefined) return named;
  const inLog = (facts.log?.incidents ?? []).filter(({ severity }) => severity !== 'info');
  const concerned = all.filter(
    row =>
      named.includes(row) || row.error !== undefined || inLog.some(({ gpu }) => gpu === row.pci),
  );
  return concerned.length > 0 ? concerned : gpuRows(facts, IDENTITY_FIELDS);
}

/** @throws UsageError with the ids there are. */
function findingOf(findings: readonly Finding[], id: string): Finding {
  const found = findings.find(finding => finding.id === id);
  if (found) return found;
  throw new UsageError(
    `there is no finding "${plainText(id, 80)}" on this node`,
    findings.length === 0
      ? 'there are no findings now'
      : `use one of ${findings.map(finding => finding.id).join(', ')}`,
  );
}

/** A board as a vendor wants it: every identity and wear reading, what was not read by name. */
function boardLines(row: GpuRow): Written[] {
  const { index: _, pci: __, error, unavailable, ...values } = row;
  const absent = Object.entries(unavailable ?? {}).map(
    ([reason, names]) => `${names.join(', ')}: ${reason}`,
  );
  return [
    error === undefined ? gpuName(row) : errorLine(gpuName(row), error),
    ...Object.entries(values).map(([name, value]) => `    ${name.padEnd(24)} ${words(value)}`),
    ...absent.map(text => `    not read: ${text}`),
  ];
}

function words(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([key, part]) => `${key} ${words(part)}`)
    .join(', ');
}

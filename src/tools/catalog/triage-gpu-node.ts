import * as z from 'zod';
import { commandLine, gapLine } from '../../contract/answer.ts';
import { type Finding, gpusOf } from '../../contract/finding.ts';
import { known } from '../../contract/reading.ts';
import { momentMs } from '../../contract/time.ts';
import { type Diagnosis, diagnose } from '../../findings/diagnosis.ts';
import { resetOf } from '../../findings/reset.ts';
import { containersOf } from '../../findings/support/container-faults.ts';
import { countsOfNode, goneGpus } from '../../findings/support/gpu-counts.ts';
import { head } from '../head.ts';
import { gpusByPod } from '../support/allocations.ts';
import { withCluster } from '../support/cluster-findings.ts';
import { clusterLines } from '../support/cluster-lines.ts';
import { CLUSTER_NOT_READ, clusterPart } from '../support/cluster-rows.ts';
import { earlierIncidents, faultTimeline } from '../support/fault-timeline.ts';
import {
  findingLines,
  hitsText,
  restsOnLines,
  restsOnOf,
  verdictLine,
} from '../support/finding-lines.ts';
import { SUMMARY_FIELDS } from '../support/gpu-fields.ts';
import { type GpuRow, gpuLine, gpuRows } from '../support/gpu-rows.ts';
import { type TimedEvent, timedIncidents } from '../support/merged-order.ts';
import { moment, VERDICT_SINCE } from '../support/moment-input.ts';
import { type NextAction, nextAction } from '../support/next-action.ts';
import { nodeLine, nodeRow } from '../support/node-row.ts';
import { domainsOf } from '../support/nvlink-domains.ts';
import { detail, inFull } from '../support/outline.ts';
import { hostnameOf, type LogFacts, readJudged } from '../support/read-node.ts';
import {
  keptLines,
  readingsOf,
  readLine,
  searchedLines,
  searchedPods,
  searchedText,
} from '../support/searched.ts';
import { triageBrief } from '../support/triage-brief.ts';
import { TriageFacts } from '../support/triage-facts.ts';
import { watchedLines, watchedOf } from '../support/watched-counters.ts';
import { defineTool } from '../tool.ts';

const FINDINGS_MAX = 50;
const BEGINNINGS_MAX = 8;

export const triageGpuNode = defineTool({
  name: 'triage_gpu_node',
  title: 'Triage of a GPU node',
  description:
    'Reads driver, PCI bus and kernel log, suspicious counters twice, and tells what is wrong, worst first: evidence, what speaks against it, blame, one next action. ' +
    'Start here when a node, a job or an XID is in question. "healthy" names its evidence.',
  input: z.strictObject({
    since: moment
      .default(VERDICT_SINCE)
      .describe('How far back incidents are told: 7d or an ISO time; 24h decide.'),
    detail,
  }),
  output: TriageFacts,
  async observe(input, instruments, signal) {
    const sinceMs = momentMs(input.since, instruments.clock.nowMs());
    const read = await readJudged(instruments, { sinceMs }, signal);
    const { judged: facts, shown, judgedSinceMs } = read;
    const diagnosis = diagnose(facts);
    const rows = gpuRows(facts, SUMMARY_FIELDS);
    const isLonger = sinceMs < judgedSinceMs;
    const earlier = isLonger ? earlierIncidents(shown, judgedSinceMs) : [];
    const findings = [...diagnosis.findings, ...earlier];
    const [worst] = findings;
    return {
      ...head(
        instruments,
        hostnameOf(facts),
        summaryOf(diagnosis, searchedText(facts.log?.coverage ?? [], judgedSinceMs)),
      ),
      verdict: diagnosis.verdict,
      nextAction: nextAction(worst, {
        verdict: diagnosis.verdict,
        node: instruments.node ?? (instruments.simulated && hostnameOf(facts)),
        reset: resetOf(facts, worst ? gpusOf(worst) : []),
      }),
      ...restsOnOf(diagnosis, diagnosis.verdict === 'healthy'),
      findings: findings.slice(0, FINDINGS_MAX),
      findingsLeftOut: Math.max(0, findings.length - FINDINGS_MAX),
      began: beginnings(shown, rows),
      timeline: faultTimeline(isLonger ? shown : facts, worst, rows),
      checks: diagnosis.checks,
      gaps: [...diagnosis.gaps],
      host: { ...nodeRow(facts, instruments.node), ...domainsOf(facts) },
      gpus: [...rows],
      allocated: gpusByPod(facts),
      containers: containersOf(facts),
      layers: countsOfNode(facts.host, known(facts.driver.count)),
      gone: [...goneGpus(facts)],
      cluster: CLUSTER_NOT_READ,
      searched: {
        since: new Date(sinceMs).toISOString(),
        ...(sinceMs === judgedSinceMs
          ? {}
          : { judgedSince: new Date(judgedSinceMs).toISOString() }),
        kernelLog: [...((isLonger ? shown : facts).log?.coverage ?? [])],
        ...searchedPods(facts),
      },
      ...watchedOf(facts),
      readings: readingsOf(facts, diagnosis.readings),
    };
  },
  clusterView: {
    question: () => ({ devices: true, logs: true }),
    join(facts, view) {
      const { findings, verdict, layers, checks } = withCluster(
        { ...facts, cliques: facts.host.nvlinkDomains },
        view,
      );
      const cluster = clusterPart(view, { full: false, podsMax: 8, eventsMax: 4 });
      const shown = findings.slice(0, FINDINGS_MAX);
      const left = facts.findingsLeftOut + findings.length - shown.length;
      const { restsOn, ...others } = facts;
      const own = {
        ...others,
        ...(verdict === 'healthy' ? { restsOn } : {}),
        findingsLeftOut: left,
      };
      const joined = {
        ...own,
        ...{ verdict, findings: shown, layers, cluster },
        checks: { ...facts.checks, ...checks },
      };
      const [worst] = findings;
      // What the node says for itself leads, where the cluster has nothing worse.
      const [first] = facts.findings;
      if (!worst || worst.severity === 'info') return joined;
      const { advice, id } = worst;
      if (id === first?.id && advice === first.advice) return joined;
      const next = { ...joined, nextAction: nextAction(worst, { verdict, node: facts.node }) };
      if (id === first?.id) return next;
      return {
        ...next,
        timeline: [],
        summary: `${worst.title}. Of the node itself: ${facts.summary}`,
      };
    },
  },
  forModel: (facts, input) => (input.detail === 'full' ? inFull(facts) : triageBrief(facts)),
  timed: ({ began }) => ({ events: began, fromFirst: true }),
  lines(facts) {
    const nowMs = Date.parse(facts.takenAt);
    const { action, advice, commands, otherwise, hits } = facts.nextAction;
    const infos = facts.findings.filter(finding => finding.severity === 'info').length;
    return [
      verdictLine({ ...facts, summary: `${facts.summary}${remarkOf(facts)}` }),
      ...(hits === undefined ? [] : [`hits: ${hitsText(hits)}`]),
      `next: ${action}: ${advice}`,
      ...commands.map(command => commandLine('      ', command)),
      ...(otherwise === undefined ? [] : [`if not: ${otherwise}`]),
      ...restsOnLines(facts.restsOn),
      '',
      ...facts.findings.flatMap((finding, place) => [
        // What the head of the page says of the worst is not said twice.
        ...findingLines(place === 0 ? headed(finding, facts.nextAction) : finding, nowMs),
        '',
      ]),
      ...(facts.findingsLeftOut > 0 ? [`${facts.findingsLeftOut} more findings left out`, ''] : []),
      ...(facts.findings.length === 0 ? ['no findings', ''] : []),
      ...(infos > 0 && infos === facts.findings.length ? ['nothing above info', ''] : []),
      ...facts.gpus.map(gpuLine),
      '',
      nodeLine(facts.host),
      ...clusterLines(facts.cluster),
      ...facts.gaps.map(gapLine),
      ...searchedLines(facts.searched, nowMs),
      ...watchedLines(facts.watched),
      readLine(facts.readings),
      ...keptLines(facts.readings.kept, nowMs),
    ];
  },
});

function headed(finding: Finding, { action, advice }: NextAction): Finding {
  if (finding.action !== action || finding.advice !== advice) return finding;
  const { hits: _, otherwise: __, ...rest } = finding;
  return rest;
}

/** A GPU that is unlike the others is no fault, and not nothing: what stands far below is named above. */
function remarkOf({ verdict, findings }: Pick<Diagnosis, 'verdict' | 'findings'>): string {
  const remark = findings.find(({ gpu }) => gpu !== undefined);
  return verdict === 'healthy' && remark ? ` Worth a look: ${remark.title}.` : '';
}

function beginnings({ log }: { readonly log?: LogFacts }, rows: readonly GpuRow[]): TimedEvent[] {
  const serious = (log?.incidents ?? []).filter(({ severity }) => severity !== 'info');
  const placed = serious.map(incident => ({
    ...incident,
    gpuIndex: rows.find(({ pci }) => pci !== undefined && pci === incident.gpu)?.index,
  }));
  return timedIncidents(placed)
    .toSorted((a, b) => Date.parse(a.time) - Date.parse(b.time))
    .slice(0, BEGINNINGS_MAX);
}

function summaryOf(diagnosis: Diagnosis, searched: string): string {
  const { findings, verdict, gaps } = diagnosis;
  const serious = findings.filter(finding => finding.severity !== 'info');
  const [worst, ...others] = serious;
  if (worst) {
    const more = others.length > 0 ? ` (and ${others.length} more)` : '';
    return `${worst.title}${more}.`;
  }
  if (verdict === 'healthy') return `No fault found; searched ${searched}.`;
  return `No fault found, but this is no all-clear: ${gaps.slice(0, 3).join('; ')}.`;
}

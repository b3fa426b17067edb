import * as z from 'zod';
import { gapLine } from '../../contract/answer.ts';
import { Finding, Verdict } from '../../contract/finding.ts';
import { known } from '../../contract/reading.ts';
import { momentMs } from '../../contract/time.ts';
import { diagnose } from '../../findings/diagnosis.ts';
import { countsOfNode } from '../../findings/support/gpu-counts.ts';
import { HEAD, head, unlisted } from '../head.ts';
import { withCluster } from '../support/cluster-findings.ts';
import { clusterLines } from '../support/cluster-lines.ts';
import { CLUSTER_NOT_READ, ClusterPart, clusterPart } from '../support/cluster-rows.ts';
import { severityLine, verdictLine } from '../support/finding-lines.ts';
import type { Field } from '../support/gpu-fields.ts';
import { GpuRow, gpuLine, gpuRows } from '../support/gpu-rows.ts';
import { HostRow, hostRow, LayerCounts, layersLine } from '../support/host-rows.ts';
import { VERDICT_SINCE } from '../support/moment-input.ts';
import { NodeRow, nodeLine, nodeRow } from '../support/node-row.ts';
import { hostnameOf, readNodeTwice } from '../support/read-node.ts';
import { searchedText } from '../support/searched.ts';
import { plural } from '../support/wording.ts';
import { defineTool } from '../tool.ts';

const FINDINGS_MAX = 12;
const FIELDS: readonly Field[] = [
  'name',
  'uuid',
  'memory',
  'temperatureC',
  'gpuUtilizationPercent',
  'migMode',
];
/** The log is searched for the verdict only; triage goes further back. */

export const describeGpuNode = defineTool({
  name: 'describe_gpu_node',
  title: 'The node, both halves',
  description:
    'Describes the node as the machine and as the cluster sees it: driver, GPU counts by layer (PCI bus to scheduler), daemons and trouble of the host; conditions, cordon and who did it, taints, allocatable GPUs, GPU pods, events. ' +
    'Ask it when Kubernetes and the GPUs disagree.',
  input: z.strictObject({
    detail: z.enum(['summary', 'full']).default('summary').describe('full: more of each.'),
  }),
  output: z.strictObject({
    ...HEAD,
    verdict: Verdict,
    findings: z.array(unlisted(Finding)),
    host: unlisted(NodeRow),
    machine: HostRow,
    layers: LayerCounts,
    gpus: z.array(unlisted(GpuRow)),
    cluster: ClusterPart,
  }),
  async observe(_input, instruments, signal) {
    const sinceMs = momentMs(VERDICT_SINCE, instruments.clock.nowMs());
    const facts = await readNodeTwice(instruments, { sinceMs }, signal);
    const { verdict, findings } = diagnose(facts);
    const gpus = [...gpuRows(facts, FIELDS)];
    const serious = findings.filter(({ severity }) => severity !== 'info');
    const worst = serious[0]
      ? `${plural(serious.length, 'finding')}, worst: ${serious[0].title}`
      : `no finding ${searchedText(facts.log?.coverage ?? [], sinceMs)}`;
    return {
      ...head(instruments, hostnameOf(facts), `${plural(gpus.length, 'GPU')}; ${worst}.`),
      verdict,
      findings: serious.slice(0, FINDINGS_MAX),
      host: nodeRow(facts, instruments.node),
      machine: hostRow(facts.host),
      layers: countsOfNode(facts.host, known(facts.driver.count)),
      gpus,
      cluster: CLUSTER_NOT_READ,
    };
  },
  clusterView: {
    question: () => ({}),
    join(facts, view, { detail }) {
      const full = detail === 'full';
      const bounds = full
        ? { full, podsMax: 64, eventsMax: 24 }
        : { full, podsMax: 16, eventsMax: 6 };
      const cluster = clusterPart(view, bounds);
      const { findings, verdict, layers } = withCluster(facts, view);
      return {
        ...facts,
        verdict,
        findings: findings.filter(({ severity }) => severity !== 'info').slice(0, FINDINGS_MAX),
        summary: `${facts.summary} ${clusterSummary(cluster)}`,
        layers,
        cluster,
      };
    },
  },
  lines(facts) {
    return [
      verdictLine(facts),
      ...facts.findings.map(({ severity, title, action }) =>
        severityLine(severity, `${title}: ${action}`),
      ),
      nodeLine(facts.host),
      layersLine(facts.layers),
      ...facts.machine.trouble.map(text => `host: ${text}`),
      `host: ${[
        facts.machine.memoryAvailable && `memory ${facts.machine.memoryAvailable} available`,
        facts.machine.load && `load ${facts.machine.load}`,
        facts.machine.daemons.length > 0 && `runs ${facts.machine.daemons.join(', ')}`,
        ...(facts.machine.runtimes ?? []),
      ]
        .filter(Boolean)
        .join('; ')}`,
      ...facts.machine.notRead.map(gapLine),
      ...facts.gpus.map(gpuLine),
      ...clusterLines(facts.cluster),
    ];
  },
});

function clusterSummary({ node, pods, unavailable }: ClusterPart): string {
  if (!node) return `The cluster was not read (${Object.keys(unavailable ?? {}).join(', ')}).`;
  const odd = node.conditions.filter(({ type, status }) => type !== 'Ready' && status === 'True');
  const parts = [
    `Ready ${node.ready}`,
    ...(node.cordoned ? ['cordoned'] : []),
    ...odd.map(({ type }) => type).slice(0, 3),
    ...(pods ? [plural(pods.length, 'GPU pod')] : []),
  ];
  return `Cluster: ${parts.join(', ')}.`;
}

import * as z from 'zod';
import { gapLine } from '../contract/answer.ts';
import { GpuRef, Severity, Verdict } from '../contract/finding.ts';
import { TERMINATION_MESSAGE_BYTES_MAX } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import { triageGpuNode } from './catalog/triage-gpu-node.ts';
import { HEAD } from './head.ts';
import { severityLine, verdictLine } from './support/finding-lines.ts';
import { GpuRow } from './support/gpu-rows.ts';
import { NextAction } from './support/next-action.ts';
import { NvlinkDomain } from './support/nvlink-domains.ts';
import { TriageFacts } from './support/triage-facts.ts';
import { defineTool } from './tool.ts';

/** What of a GPU compares its node with others, beside its name. */
const RowGpu = GpuRow.pick({
  ...{ name: true, error: true, memory: true, gpuUtilizationPercent: true, smClockMhz: true },
  ...{ powerUsageMw: true, enforcedPowerLimitMw: true, temperatureC: true },
  ...{ pcieGenerationCurrent: true, pcieWidthCurrent: true },
});

const RowFinding = z.strictObject({
  severity: Severity,
  component: z.string(),
  gpu: GpuRef.pick({ index: true, pci: true }).optional(),
  title: z.string(),
});

/** A part of a triage: what a row of many nodes says, in the same keys. */
const TriageRow = z.strictObject({
  ...HEAD,
  verdict: Verdict,
  nextAction: NextAction.pick({ action: true, advice: true }),
  findings: z.array(RowFinding),
  findingsLeftOut: z.int().min(0),
  gaps: z.array(z.string()),
  gapsLeftOut: z.int().min(0),
  host: z.strictObject({
    driverVersion: z.string().optional(),
    nvlinkDomains: z.array(NvlinkDomain).exactOptional(),
  }),
  gpus: z.array(RowGpu),
  gone: z.array(z.strictObject({ pci: z.string().optional() })),
});
type TriageRow = z.infer<typeof TriageRow>;

/** What a triage of one node alone holds and its row does not. */
export const NOT_IN_A_ROW = [
  'evidence and what speaks against it',
  'the steps that led to a fault, and when it began',
  'readings of the host',
  'what the cluster knows of the node and its pods',
] as const;

interface Bounds {
  readonly findings: number;
  readonly gaps: number;
  readonly characters: number;
  readonly comparesGpus: boolean;
}

/** As much as there is room for: the first that fits is taken, and the last fits a machine of any size. */
const BOUNDS: readonly Bounds[] = [
  { findings: 8, gaps: 6, characters: 300, comparesGpus: true },
  { findings: 3, gaps: 3, characters: 160, comparesGpus: true },
  { findings: 3, gaps: 3, characters: 160, comparesGpus: false },
  { findings: 1, gaps: 1, characters: 100, comparesGpus: false },
];
/** More GPUs than these are in no machine. */
const GPUS_MAX = 32;

/**
 * A triage that is read once and written down in what a kubelet keeps of a container's last words: a tool
 * that is not listed, for an agent that nobody attaches to.
 */
export const triageRow = defineTool({
  name: triageGpuNode.name,
  title: triageGpuNode.title,
  description: 'A triage as a row of many nodes.',
  input: triageGpuNode.input,
  output: TriageRow,
  async observe(input, instruments, signal) {
    const observed = await triageGpuNode.question(input).observe(instruments, signal);
    const facts = TriageFacts.parse(observed);
    const rows = BOUNDS.map(bounds => rowOf(facts, bounds));
    const fits = (row: TriageRow) =>
      Buffer.byteLength(JSON.stringify(row)) <= TERMINATION_MESSAGE_BYTES_MAX - ENVELOPE_BYTES_MAX;
    return rows.find(fits) ?? rowOf({ ...facts, gpus: [], gone: [] }, SMALLEST);
  },
  lines: facts => [
    verdictLine(facts),
    `next: ${facts.nextAction.action}: ${facts.nextAction.advice}`,
    ...facts.findings.map(({ severity, title }) => severityLine(severity, title)),
    ...(facts.findingsLeftOut > 0 ? [`${facts.findingsLeftOut} more findings left out`] : []),
    ...facts.gaps.map(gapLine),
    ...(facts.gapsLeftOut > 0 ? [`${facts.gapsLeftOut} more gaps left out`] : []),
  ],
});

/** What stands around the row in the message. */
const ENVELOPE_BYTES_MAX = 512;
const SMALLEST: Bounds = { findings: 1, gaps: 1, characters: 60, comparesGpus: false };

function rowOf(
  facts: TriageFacts,
  { findings, gaps, characters, comparesGpus }: Bounds,
): TriageRow {
  const { verdict, summary, nextAction, host, node, simulated, takenAt } = facts;
  const text = (words: string) => plainText(words, characters);
  const shown = facts.findings.slice(0, findings);
  const { driverVersion, nvlinkDomains } = host;
  return {
    ...{ summary: text(summary), node: plainText(node, 253), simulated, takenAt, verdict },
    nextAction: { action: nextAction.action, advice: text(nextAction.advice) },
    findings: shown.map(({ severity, component, gpu, title }) => ({
      ...{ severity, component, title: text(title) },
      ...(gpu && { gpu: optional({ index: gpu.index, pci: gpu.pci }) }),
    })),
    findingsLeftOut: facts.findingsLeftOut + facts.findings.length - shown.length,
    gaps: facts.gaps.slice(0, gaps).map(text),
    gapsLeftOut: Math.max(0, facts.gaps.length - gaps),
    host: {
      ...optional({ driverVersion: driverVersion && plainText(driverVersion, 40) }),
      ...(nvlinkDomains && { nvlinkDomains: nvlinkDomains.slice(0, 4) }),
    },
    gpus: facts.gpus.slice(0, GPUS_MAX).map(gpu => {
      const { name, error } = gpu;
      const own = optional({ name: name && plainText(name, 40), error: error && text(error) });
      if (!comparesGpus) return own;
      return { ...RowGpu.strip().parse(gpu), ...own };
    }),
    gone: facts.gone.slice(0, GPUS_MAX).map(({ pci }) => optional({ pci })),
  };
}

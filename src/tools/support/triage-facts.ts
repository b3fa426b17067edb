import * as z from 'zod';
import { Finding, Verdict } from '../../contract/finding.ts';
import { CheckResult } from '../../findings/checks.ts';
import { ContainerFaults } from '../../findings/support/container-faults.ts';
import { HEAD, unlisted } from '../head.ts';
import { PodGpus } from './allocations.ts';
import { GoneGpu } from './cluster-findings.ts';
import { ClusterPart } from './cluster-rows.ts';
import { FaultStep } from './fault-timeline.ts';
import { GpuRow } from './gpu-rows.ts';
import { LayerCounts } from './host-rows.ts';
import { TimedEvent } from './merged-order.ts';
import { NextAction } from './next-action.ts';
import { NodeRow } from './node-row.ts';
import { NvlinkDomain } from './nvlink-domains.ts';
import { Readings, Searched } from './searched.ts';
import { Watched } from './watched-counters.ts';

/** What the page of a person is made from. */
export const TriageFacts = z.strictObject({
  ...HEAD,
  verdict: Verdict,
  nextAction: NextAction,
  /** What "healthy" is said by; absent beside any other verdict. */
  restsOn: z.string().optional(),
  findings: z.array(Finding),
  findingsLeftOut: z.int().min(0),
  /** When the first incidents of the kernel log began, oldest first. */
  began: z.array(unlisted(TimedEvent)),
  /** How the worst finding came about by the kernel log, oldest first. */
  timeline: z.array(unlisted(FaultStep)),
  /** What each rule came to, by its name. */
  checks: unlisted(z.record(z.string(), CheckResult)),
  gaps: z.array(z.string()).describe('What an all-clear would need and could not be read.'),
  host: unlisted(NodeRow.extend({ nvlinkDomains: z.array(NvlinkDomain).exactOptional() })),
  gpus: z.array(unlisted(GpuRow)),
  /** The kubelet's allocations, and what containers with GPUs see. */
  allocated: z.array(unlisted(PodGpus)),
  containers: unlisted(ContainerFaults),
  layers: unlisted(LayerCounts),
  gone: z.array(unlisted(GoneGpu)),
  cluster: unlisted(ClusterPart),
  searched: Searched,
  watched: unlisted(Watched),
  readings: Readings,
});
export type TriageFacts = z.infer<typeof TriageFacts>;

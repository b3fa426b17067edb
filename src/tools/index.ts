import { analyzeXidErrors } from './analyze-xid-errors.ts';
import { describeGpuNode } from './describe-gpu-node.ts';
import { explainFailure } from './explain-failure.ts';
import { explainXid } from './explain-xid.ts';
import { getGpuHealth } from './get-gpu-health.ts';
import { getGpuInventory } from './get-gpu-inventory.ts';
import { getGpuProcesses } from './get-gpu-processes.ts';
import { getGpuTimeline } from './get-gpu-timeline.ts';
import { getIncidentReport } from './get-incident-report.ts';
import { getNvlinkTopology } from './get-nvlink-topology.ts';
import { getPodGpuAllocation } from './get-pod-gpu-allocation.ts';
import { sampleGpuTelemetry } from './sample-gpu-telemetry.ts';
import type { AnyTool } from './tool.ts';
import { triageGpuNode } from './triage-gpu-node.ts';

/** Every tool, in the order in which clients list them: the first question first. */
export const TOOLS: readonly AnyTool[] = [
  triageGpuNode,
  getGpuInventory,
  getGpuHealth,
  analyzeXidErrors,
  explainXid,
  getGpuTimeline,
  describeGpuNode,
  explainFailure,
  getPodGpuAllocation,
  getGpuProcesses,
  getNvlinkTopology,
  sampleGpuTelemetry,
  getIncidentReport,
];

import { analyzeXidErrors } from './catalog/analyze-xid-errors.ts';
import { describeGpuNode } from './catalog/describe-gpu-node.ts';
import { explainFailure } from './catalog/explain-failure.ts';
import { explainXid } from './catalog/explain-xid.ts';
import { getGpuHealth } from './catalog/get-gpu-health.ts';
import { getGpuInventory } from './catalog/get-gpu-inventory.ts';
import { getGpuProcesses } from './catalog/get-gpu-processes.ts';
import { getGpuTimeline } from './catalog/get-gpu-timeline.ts';
import { getIncidentReport } from './catalog/get-incident-report.ts';
import { getNvlinkTopology } from './catalog/get-nvlink-topology.ts';
import { getPodGpuAllocation } from './catalog/get-pod-gpu-allocation.ts';
import { sampleGpuTelemetry } from './catalog/sample-gpu-telemetry.ts';
import { triageGpuNode } from './catalog/triage-gpu-node.ts';
import type { AnyTool } from './tool.ts';

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

import { analyzeXidErrors } from './analyze-xid-errors.ts';
import { explainXid } from './explain-xid.ts';
import { getGpuHealth } from './get-gpu-health.ts';
import { getGpuInventory } from './get-gpu-inventory.ts';
import { getGpuTimeline } from './get-gpu-timeline.ts';
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
];

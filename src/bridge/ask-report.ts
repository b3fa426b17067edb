import type { Answer } from '../contract/answer.ts';
import { optional } from '../contract/optional.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import { getGpuHealth } from '../tools/catalog/get-gpu-health.ts';
import { getGpuTimeline } from '../tools/catalog/get-gpu-timeline.ts';
import { getIncidentReport } from '../tools/catalog/get-incident-report.ts';
import { getNvlinkTopology } from '../tools/catalog/get-nvlink-topology.ts';
import { sampleGpuTelemetry } from '../tools/catalog/sample-gpu-telemetry.ts';
import { triageGpuNode } from '../tools/catalog/triage-gpu-node.ts';
import type { Question, ToolAnswer } from '../tools/tool.ts';
import { askSession } from './ask-session.ts';

/** A window that shows a course and keeps nobody waiting. */
const WINDOW = { seconds: 3, samples: 10 } as const;
const EVENTS_MAX = 80;

/** What a report draws, beside what the triage tells. */
export function reportQuestions({ since }: { readonly since?: unknown }): readonly Question[] {
  return [
    getGpuTimeline.question({ ...optional({ since }), limit: EVENTS_MAX }),
    getGpuHealth.question({}),
    getNvlinkTopology.question({ detail: 'full' }),
    sampleGpuTelemetry.question(WINDOW),
    getIncidentReport.question({}),
  ];
}

/**
 * A triage with what a report shows beside it, asked of the same session one after the other. What
 * does not answer is a gap of the report and no failure of the triage.
 */
export async function withReport(
  session: Session,
  question: Question,
  answer: ToolAnswer,
  { signal, onProgress }: Pick<ToolRequest, 'signal' | 'onProgress'>,
): Promise<ToolAnswer> {
  if (question.tool.name !== triageGpuNode.name) return answer;
  const beside: Record<string, Answer | { readonly why: string }> = {};
  for (const further of reportQuestions(question.input)) {
    const { name } = further.tool;
    onProgress(`for the report: ${name}`);
    try {
      signal.throwIfAborted();
      beside[name] = await askSession(session, further, { signal, onProgress });
    } catch (error) {
      beside[name] = { why: error instanceof Error ? error.message : String(error) };
    }
  }
  return { ...answer, beside };
}

import { textOf } from '../../src/contract/answer.ts';
import type { ClusterView } from '../../src/contract/cluster-view.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { type Instruments, provenanceOf } from '../../src/tools/instruments.ts';
import type { AnyTool } from '../../src/tools/tool.ts';
import { instrumentsOf } from './instruments.ts';

/** A tool's answer as a person gets it: the facts of the agent's half, sent, and written by the other. */
export async function answered(tool: AnyTool, input: object, instruments: Instruments) {
  const question = tool.question(input);
  const facts = await question.observe(instruments, new AbortController().signal);
  const sent: unknown = JSON.parse(JSON.stringify(facts));
  const provenance = provenanceOf(instruments);
  const joined = (view?: ClusterView) => {
    const { lines, structured } = question.answer(sent, { provenance, view });
    return { text: textOf(lines), structured };
  };
  return { ...joined(), joined };
}

const judgements = new Map<string, ReturnType<typeof judgedBy>>();

/** What a triage says of a machine of the files with all that a pod may read; it is asked once. */
export function judged(name: string): ReturnType<typeof judgedBy> {
  const judgement = judgements.get(name) ?? judgedBy(instrumentsOf(name));
  judgements.set(name, judgement);
  return judgement;
}

/** The same of what others are given to read. */
export async function judgedBy(instruments: Instruments) {
  const { structured } = await answered(triageGpuNode, {}, instruments);
  const findings: unknown = structured['findings'];
  const ids = Array.isArray(findings) ? findings.map(({ id }) => String(id)) : [];
  return { verdict: structured['verdict'], ids };
}

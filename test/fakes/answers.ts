import { textOf } from '../../src/contract/answer.ts';
import type { ClusterView } from '../../src/contract/cluster-view.ts';
import { type Instruments, provenanceOf } from '../../src/tools/instruments.ts';
import type { AnyTool } from '../../src/tools/tool.ts';

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

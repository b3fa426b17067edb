import * as z from 'zod';
import type { ClusterView } from '../../src/contract/cluster-view.ts';
import { resultOf } from '../../src/mcp/results.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { provenanceOf } from '../../src/tools/instruments.ts';
import { instrumentsOf } from './instruments.ts';

/** What a client gets of a tool, in both forms. */
export async function modelAnswer(
  name: string,
  machine: string,
  input: object = {},
  view?: ClusterView,
) {
  const tool = TOOLS.find(other => other.name === name);
  if (!tool) throw new Error(`no tool ${name}`);
  const instruments = instrumentsOf(machine);
  const question = tool.question(input);
  const facts = await question.observe(instruments, new AbortController().signal);
  const sent: unknown = JSON.parse(JSON.stringify(facts));
  const provenance = provenanceOf(instruments);
  const { content, structuredContent } = resultOf(question.answer(sent, { provenance, view }));
  const [part] = z.array(z.object({ text: z.string() })).parse(content);
  return { text: part?.text ?? '', structured: z.looseObject({}).parse(structuredContent) };
}

/** Every word and number of a structure, but for flags, for nothing found, and for what is not asked. */
function factsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(factsOf);
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(factsOf);
  return typeof value === 'string' || typeof value === 'number' ? [String(value)] : [];
}

const isIn = (text: string, fact: string): boolean =>
  /^-?[\d.]+$/.test(fact)
    ? new RegExp(`(?<![\\d.])${fact.replaceAll('.', '\\.')}(?!\\d|\\.\\d)`).test(text)
    : text.includes(fact);

/** Facts of the structure that the text has not. */
export const untold = (text: string, structured: unknown): string[] =>
  factsOf(structured).filter(
    fact =>
      fact !== '0' && !NOT_ASKED.includes(fact) && !isIn(text.toLowerCase(), fact.toLowerCase()),
  );

/** The text says "not asked" instead. */
const NOT_ASKED = ['not_read', 'node', 'pods', 'events'];

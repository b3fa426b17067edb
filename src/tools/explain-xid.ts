import * as z from 'zod';
import { Explanation, explain } from '../xid/explain.ts';
import { defineLocalTool } from './tool.ts';

const Listed = Explanation.meta({
  listedKeys: [
    'query',
    'code',
    'title',
    'meaning',
    'action',
    'advice',
    'blame',
    'severity',
    'source',
  ],
});

export const explainXid = defineLocalTool({
  name: 'explain_xid',
  title: 'Meaning of an XID',
  description:
    'Explains XID and SXid numbers (79, "149 4", "SXid 12028") or pasted kernel lines, several at once, one a line: meaning, action of NVIDIA\'s catalogue, blame, what the registers in the line say, how device plugin, GKE and EKS treat the number. ' +
    'Works without any node and starts no pod.',
  input: z.strictObject({
    query: z.string().min(1).max(16_384).describe('Numbers or kernel lines; one question a line.'),
  }),
  output: z.strictObject({ summary: z.string(), explanations: z.array(Listed) }),
  facts({ query }) {
    const explanations = explain(query);
    const [first] = explanations;
    const more = explanations.length > 1 ? ` (and ${explanations.length - 1} more)` : '';
    return {
      summary: first
        ? `${first.title}: ${first.action}. ${first.advice}${more}`
        : 'Nothing to explain.',
      explanations,
    };
  },
  text: facts => facts.explanations.map(explanationText).join('\n\n'),
});

function explanationText(answer: Explanation): string {
  const label = (name: string) => `    ${name.padEnd(9)} `;
  const treated = Object.entries(answer.treatedBy ?? {}).flatMap(([who, how]) =>
    how === null ? [] : [`${who}: ${how}`],
  );
  const decoded = Object.entries(answer.decoded ?? {}).map(
    ([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
  );
  return [
    `${answer.severity.toUpperCase().padEnd(8)}  ${answer.title}${answer.mnemonic === null ? '' : ` (${answer.mnemonic})`}`,
    `${label('meaning')}${answer.meaning}`,
    `${label('action')}${answer.action}: ${answer.advice}`,
    `${label('blame')}${answer.blame}, confidence ${answer.confidence}`,
    ...(decoded.length > 0 ? [`${label('decoded')}${decoded.join('; ')}`] : []),
    ...answer.disagreement.map(text => `${label('against')}${text}`),
    ...(treated.length > 0 ? [`${label('elsewhere')}${treated.join('; ')}`] : []),
    `${label('source')}${answer.source}`,
  ].join('\n');
}

import * as z from 'zod';
import type { Written } from '../../contract/answer.ts';
import { Explanation, explain } from '../../xid/explain.ts';
import { severityLine } from '../support/finding-lines.ts';
import { defineLocalTool } from '../tool.ts';

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
        ? `${nameOf(first)}: ${first.action}. ${first.advice}${more}`
        : 'Nothing to explain.',
      explanations,
    };
  },
  lines: facts =>
    facts.explanations.flatMap((explanation, index) => [
      ...(index === 0 ? [] : ['']),
      ...explanationLines(explanation),
    ]),
});

const nameOf = ({ family, code, title }: Explanation): string =>
  code === null ? title : `${family === 'sxid' ? 'SXid' : 'XID'} ${code}: ${title}`;

/** A decoded fact in words: no braces, no quotes, nested facts one after another. */
function words(value: unknown): string {
  if (Array.isArray(value)) return value.map(words).join(' | ');
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([key, part]) => `${key} ${words(part)}`)
      .join(', ');
  }
  return String(value);
}

function explanationLines(answer: Explanation): Written[] {
  const label = (name: string) => `    ${name.padEnd(9)} `;
  const treated = Object.entries(answer.treatedBy ?? {}).flatMap(([who, how]) =>
    how === null ? [] : [`${who}: ${how}`],
  );
  const decoded = Object.entries(answer.decoded ?? {}).map(
    ([key, value]) => `${key} ${words(value)}`,
  );
  return [
    severityLine(
      answer.severity,
      `${nameOf(answer)}${answer.mnemonic === null ? '' : ` (${answer.mnemonic})`}`,
    ),
    `${label('meaning')}${answer.meaning}`,
    `${label('action')}${answer.action}: ${answer.advice}`,
    `${label('blame')}${answer.blame}, confidence ${answer.confidence}`,
    ...(decoded.length > 0 ? [`${label('decoded')}${decoded.join('; ')}`] : []),
    ...answer.disagreement.map(text => `${label('against')}${text}`),
    ...(treated.length > 0 ? [`${label('elsewhere')}${treated.join('; ')}`] : []),
    `${label('source')}${answer.source}`,
  ];
}

import * as z from 'zod';
import type { Written } from '../../contract/answer.ts';
import { Explanation, explainAll } from '../../xid/explain.ts';
import { PLACES } from '../../xid/place.ts';
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
    'Explains XIDs and SXids (79, "149 4", "SXid 12028"), kernel lines, error texts of CUDA, NVML, NCCL, DCGM, containers: meaning, NVIDIA\'s action, blame, decoded registers. ' +
    'Starts no pod.',
  input: z.strictObject({
    query: z.string().min(1).max(16_384).describe('One question a line.'),
    place: z.enum(PLACES).optional(),
    opinions: z.boolean().default(false).describe('Opinions of other tools.'),
  }),
  output: z.strictObject({
    summary: z.string(),
    explanations: z.array(Listed),
    leftOut: z.int().min(1).optional(),
  }),
  facts({ query, opinions, place }) {
    const { explanations, leftOut } = explainAll(query, { opinions, place });
    const [first] = explanations;
    const others = explanations.length - 1 + leftOut;
    const left = leftOut > 0 ? `, of which ${leftOut} are left out: ask in smaller parts` : '';
    const more = others > 0 ? ` (and ${others} more${left})` : '';
    return {
      summary: first
        ? `${nameOf(first)}: ${first.action}. ${first.advice}${more}`
        : 'Nothing to explain.',
      explanations,
      ...(leftOut > 0 ? { leftOut } : {}),
    };
  },
  lines: ({ explanations, leftOut }) => [
    ...explanations.flatMap((explanation, index) => [
      ...(index === 0 ? [] : ['']),
      ...explanationLines(explanation),
    ]),
    ...(leftOut === undefined
      ? []
      : ['', `${leftOut} more are left out: ask for at most ${explanations.length} at once.`]),
  ],
});

const recoveryText = (since: string): string =>
  since === 'introduction'
    ? 'an XID 154 goes with it'
    : `an XID 154 goes with it from driver ${since} on`;

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
    ...(answer.when === null ? [] : [`${label('when')}${answer.when}`]),
    ...(answer.appliesTo === null || answer.appliesTo.length === 0
      ? []
      : [`${label('GPUs')}${answer.appliesTo.join(', ')}`]),
    ...(answer.recovery154 === null ? [] : [`${label('then')}${recoveryText(answer.recovery154)}`]),
    ...answer.disagreement.map(text => `${label('against')}${text}`),
    ...answer.opinions.map(text => `${label('opinion')}${text}`),
    ...(treated.length > 0 ? [`${label('elsewhere')}${treated.join('; ')}`] : []),
    `${label('source')}${answer.source}${answer.edition === null || answer.source.includes(answer.edition) ? '' : `; catalogue ${answer.edition}`}`,
  ];
}

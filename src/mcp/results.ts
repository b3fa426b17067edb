import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import * as z from 'zod';
import { type Answer, Provenance, textOf } from '../contract/answer.ts';
import { GpuMcpError } from '../contract/errors.ts';

/** An answer as a client of the bridge gets it: to be read, and to be computed with. */
export function resultOf(answer: Answer) {
  const { lines, structured } = answer.forModel ?? answer;
  return {
    content: [{ type: 'text' as const, text: textOf(lines) }],
    structuredContent: { ...structured },
  };
}

/** What a tool or a session threw, as the model reads it: what, on what, what to try. */
export const failure = (error: unknown) => ({
  isError: true,
  content: [{ type: 'text' as const, text: failureText(error) }],
});

export function failureText(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof GpuMcpError && error.hint ? ` Try: ${error.hint}.` : '';
  const page =
    error instanceof GpuMcpError && error.answer ? `\n\n${textOf(error.answer.lines)}` : '';
  return `${message}.${hint}${page}`;
}

/** A result of either line of the SDK. */
interface Read {
  readonly content: readonly { readonly type: string; readonly text?: unknown }[];
}

export const textOfResult = ({ content }: Read): string =>
  content.map(part => (part.type === 'text' ? String(part.text) : '')).join('\n');

/** The sentence of a result that is an error, without its full stop. */
export const errorText = (result: Read): string => textOfResult(result).replace(/\.$/, '');

const PROVENANCE = 'gpu-mcp/provenance';

/** What an agent sends: facts, and where they are from. Whoever asked makes the text. */
export const sentFacts = (
  facts: Readonly<Record<string, unknown>>,
  provenance: Provenance,
): CallToolResult => ({
  content: [],
  structuredContent: { ...facts },
  _meta: { [PROVENANCE]: provenance },
});

/** What an agent sent; a result that does not say where it is from is none of an agent's. */
export const SentFacts = z
  .looseObject({
    structuredContent: z.looseObject({}),
    _meta: z.looseObject({ [PROVENANCE]: Provenance }),
  })
  .transform(({ structuredContent, _meta }) => ({
    facts: structuredContent,
    provenance: _meta[PROVENANCE],
  }));

/** What an agent writes that nobody attaches to, in the place of a result. */
export const SentRow = z.object({
  version: z.string(),
  provenance: Provenance,
  facts: z.record(z.string(), z.unknown()),
});
export type SentRow = z.infer<typeof SentRow>;

import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { GpuMcpError } from '../contract/errors.ts';

/** The text of an answer, its parts joined. */
export const textOf = (result: CallToolResult): string =>
  result.content.map(part => (part.type === 'text' ? part.text : '')).join('\n');

/** What a tool or a session threw, as the model reads it: what, on what, what to try. */
export function failure(error: unknown): CallToolResult {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof GpuMcpError && error.hint ? ` Try: ${error.hint}.` : '';
  return { isError: true, content: [{ type: 'text', text: `${message}.${hint}` }] };
}

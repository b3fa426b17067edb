import * as z from 'zod';

/** Tells that something goes on; with a level where a log should have it, too. */
export type Progress = (message: string, level?: 'info' | 'warning') => void;

/** One call as both halves handle it: input is an object, nothing else is checked yet. */
export interface ToolCall {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  /** Tells the client that the call goes on; silent where the client asked for no progress. */
  readonly progress: Progress;
}

/** A call that is none, for an answer with -32602: the SDKs would answer a result, or -32603. */
export class NoCall extends Error {}

const Params = z.looseObject({
  name: z.string(),
  arguments: z.record(z.string(), z.unknown()).optional(),
  _meta: z.looseObject({ progressToken: z.union([z.string(), z.number()]).optional() }).optional(),
});

/** @throws NoCall */
export function callOf(params: unknown, tools: readonly string[]) {
  const parsed = Params.safeParse(params);
  if (!parsed.success) {
    const names = parsed.error.issues.map(issue => issue.path.join('.')).join(', ');
    throw new NoCall(`tools/call: wrong or missing ${names || 'params'}`);
  }
  const { name, arguments: input = {}, _meta } = parsed.data;
  if (!tools.includes(name)) {
    throw new NoCall(`Unknown tool: ${name.slice(0, 64)}. Tools: ${tools.join(', ')}`);
  }
  return { name, input, token: _meta?.progressToken };
}

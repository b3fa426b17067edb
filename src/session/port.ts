import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';

/** One node's session as the bridge and the commands see it. The pod starts at the first call. */
export interface Session {
  /** The node's name, `local`, or the simulated machine's name. */
  readonly target: string;
  /** Calls a tool of the agent; starts the agent when there is none. Errors are SessionError. */
  call(request: ToolRequest): Promise<CallToolResult>;
  /** Starts the agent without a call. */
  start(signal: AbortSignal, onProgress: (message: string) => void): Promise<void>;
  /** Ends the agent and removes its pod; says what was removed. Idempotent. */
  close(): Promise<{ readonly removed: string | null; readonly verified: boolean }>;
}

export interface ToolRequest {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  readonly onProgress: (message: string) => void;
}

import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { ObjectRef } from '../cluster/port.ts';
import type { ClusterQuestion, ClusterView } from '../contract/cluster-view.ts';
import type { CommandWords } from '../contract/printed-command.ts';
import type { Progress } from '../mcp/tool-call.ts';

/** One node's session as the bridge and the commands see it. The pod starts at the first call. */
export interface Session {
  /** The node's name, `local`, or the simulated machine's name. */
  readonly target: string;
  /** Calls a tool of the agent; starts the agent when there is none. Errors are SessionError. */
  call(request: ToolRequest): Promise<CallToolResult>;
  /**
   * The node's wall clock, milliseconds since 1970; starts the agent when there is none. Absent
   * where no clock runs any more.
   */
  readonly nodeNowMs?: (signal: AbortSignal) => Promise<number>;
  /** Starts the agent without a call. */
  start(signal: AbortSignal, onProgress: Progress): Promise<void>;
  /**
   * What the cluster knows of this node, read from here with the user's own rights; starts nothing
   * and never rejects. Absent where there is no cluster: --local and --simulate.
   */
  readonly clusterView?: (
    question: Omit<ClusterQuestion, 'node'>,
    signal: AbortSignal,
  ) => Promise<ClusterView>;
  /** With --redact-names: a tool's input with tokens for the names of pods, as answers have them. */
  readonly concealInput?: (input: ToolRequest['input']) => ToolRequest['input'];
  /** What the commands carry that its answers and errors print; absent: nothing. */
  readonly commandWords?: CommandWords;
  /** Ends the agent and removes its pod; says what was removed, and what was not seen gone. Idempotent. */
  close(): Promise<SessionClosed>;
}

export interface SessionClosed {
  /** `job gpu-mcp/gpu-mcp-node-a-x7k2p`; null where nothing had been made. */
  readonly removed: string | null;
  /** Whether all that this session ever made was seen gone. */
  readonly verified: boolean;
  /** Of what cannot be removed and has only ended: what the cluster keeps of it. */
  readonly stays?: string | undefined;
  /** Of the same, where it is not verified: what was seen to end all the same. */
  readonly ended?: string;
  /** Of what was not: what ends it then, and when at the latest. */
  readonly ends?: string;
  /** What was not. */
  readonly left: readonly ObjectRef[];
}

/** A session with an agent that runs, or can be started. */
export type LiveSession = Session & Required<Pick<Session, 'nodeNowMs'>>;

export interface ToolRequest {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  readonly onProgress: Progress;
  /** Of a view that goes on by itself: an agent that has had its time is not followed by another. */
  readonly isLive?: boolean;
}

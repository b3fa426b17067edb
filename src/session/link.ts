import type { Readable, Writable } from 'node:stream';

/**
 * A byte stream to an agent, whichever way it is reached: attach, `kubectl attach`, a local child.
 * A Link exists from the moment the agent can be written to.
 */
export interface Link {
  /** Towards the agent's stdin; `write()` honours back-pressure, `end()` is a half-close. */
  readonly toAgent: Writable;
  /** The agent's stdout, bytes split anywhere. */
  readonly fromAgent: Readable;
  /** Resolves once, when the stream is over, with the reason; never rejects. */
  readonly ended: Promise<LinkEnd>;
  /** Ends the stream and whatever carried it, and removes the pod. Idempotent. */
  close(): Promise<LinkClosed>;
}

export interface LinkEnd {
  /** `closed` by us, `agent_ended` by itself, `lost` the stream broke. */
  readonly kind: 'closed' | 'agent_ended' | 'lost';
  /** One sentence for people: the Status of the API server, the exit code, the last stderr lines. */
  readonly detail: string;
}

export interface LinkClosed {
  /** What was removed (`job gpu-mcp/gpu-mcp-node-a-x7k2p`), and whether it is known to be gone. */
  readonly removed: string | null;
  readonly verified: boolean;
}

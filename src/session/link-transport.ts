import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type JSONRPCMessage, JSONRPCMessageSchema } from '@modelcontextprotocol/sdk/types.js';
import { AGENT_LINE_BYTES_MAX } from '../contract/limits.ts';
import { lineSplitter } from '../mcp/line-splitter.ts';
import type { Link } from './link.ts';

/**
 * MCP over a Link: one JSON message a line.
 */
export class LinkTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
  }

  async start(): Promise<void> {
    const feed = lineSplitter({
      bytesMax: AGENT_LINE_BYTES_MAX,
      onLine: line => this.#deliver(line),
      onTooLong: () => {
        const words = `the agent sent a line of more than ${AGENT_LINE_BYTES_MAX} bytes`;
        this.onerror?.(new Error(words));
        void this.#link.close();
      },
    });
    this.#link.fromAgent.on('data', feed);
    this.#link.fromAgent.on('error', error => this.onerror?.(error));
    void this.#link.ended.then(() => this.onclose?.());
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const { toAgent } = this.#link;
    if (!toAgent.writable) throw new Error('the stream to the agent is over');
    if (toAgent.write(`${JSON.stringify(message)}\n`)) return;
    await new Promise<void>(resolve => {
      const done = () => {
        toAgent.off('drain', done).off('close', done);
        resolve();
      };
      toAgent.on('drain', done).on('close', done);
    });
  }

  async close(): Promise<void> {
    await this.#link.close();
  }

  #deliver(line: string): void {
    try {
      this.onmessage?.(JSONRPCMessageSchema.parse(JSON.parse(line)));
    } catch (error) {
      this.onerror?.(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

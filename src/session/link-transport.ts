import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type JSONRPCMessage, JSONRPCMessageSchema } from '@modelcontextprotocol/sdk/types.js';
import { AGENT_LINE_BYTES_MAX } from '../contract/limits.ts';
import type { Link } from './link.ts';

const NEWLINE = 0x0a;

/**
 * MCP over a Link: one JSON message a line. The stream is cut anywhere, inside a character too, so
 * bytes are joined up to the newline before they are read as text.
 */
export class LinkTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #link: Link;
  #parts: Buffer[] = [];
  #partsBytes = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  async start(): Promise<void> {
    this.#link.fromAgent.on('data', (chunk: Buffer) => this.#read(chunk));
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

  #read(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      const line = Buffer.concat([...this.#parts, chunk.subarray(from, at)]);
      this.#parts = [];
      this.#partsBytes = 0;
      from = at + 1;
      this.#deliver(line);
    }
    if (from === chunk.length) return;
    this.#parts.push(chunk.subarray(from));
    this.#partsBytes += chunk.length - from;
    if (this.#partsBytes <= AGENT_LINE_BYTES_MAX) return;
    this.#parts = [];
    this.#partsBytes = 0;
    this.onerror?.(new Error(`the agent sent a line of more than ${AGENT_LINE_BYTES_MAX} bytes`));
    void this.#link.close();
  }

  #deliver(line: Buffer): void {
    if (line.length === 0) return;
    try {
      this.onmessage?.(JSONRPCMessageSchema.parse(JSON.parse(line.toString('utf8'))));
    } catch (error) {
      this.onerror?.(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

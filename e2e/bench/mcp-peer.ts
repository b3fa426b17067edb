import type { Readable, Writable } from 'node:stream';
import { AGENT_LINE_BYTES_MAX } from '../../src/contract/limits.ts';
import { lineSplitter } from '../../src/mcp/line-splitter.ts';

/** A JSON-RPC answer, as far as a measurement looks at it. */
interface Answer {
  readonly id?: unknown;
  readonly error?: unknown;
  readonly result?: { readonly isError?: boolean; readonly structuredContent?: unknown };
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** An agent that does not answer must not hold the whole run. */
const ANSWER_MS_MAX = 60_000;

/** An MCP client that does no more than it must, so that it is not what is measured. */
export class McpPeer {
  readonly #input: Writable;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(output: Readable, input: Writable) {
    this.#input = input;
    output.on(
      'data',
      lineSplitter({
        bytesMax: AGENT_LINE_BYTES_MAX,
        onLine: line => this.#take(JSON.parse(line)),
        onTooLong: () => this.#fail('a line was too long'),
      }),
    );
    output.once('close', () => this.#fail('the stream ended'));
  }

  /** Sends a request and waits for its answer; gives the time between, in milliseconds. */
  async ask(method: string, params: object = {}): Promise<number> {
    const startMs = performance.now();
    const late = setTimeout(() => this.#fail(`${method} was not answered`), ANSWER_MS_MAX);
    const answer = await this.#send(method, params).finally(() => clearTimeout(late));
    const tookMs = performance.now() - startMs;
    if (answer.error !== undefined || answer.result?.isError === true) {
      throw new Error(`${method} failed: ${JSON.stringify(answer).slice(0, 400)}`);
    }
    return tookMs;
  }

  /** The handshake; gives the time until `initialize` is answered, in milliseconds. */
  async initialize(): Promise<number> {
    const tookMs = await this.ask('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'bench', version: '1' },
    });
    this.#write({ method: 'notifications/initialized' });
    return tookMs;
  }

  callTool(name: string): Promise<number> {
    return this.ask('tools/call', { name, arguments: {} });
  }

  #send(method: string, params: object): Promise<Answer> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#write({ id, method, params });
    });
  }

  #write(message: object): void {
    this.#input.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  }

  #take(answer: Answer): void {
    if (typeof answer.id !== 'number') return;
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    waiting?.resolve(answer);
  }

  #fail(why: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(`no answer: ${why}`));
    this.#waiting.clear();
  }
}

import type { Readable, Writable } from 'node:stream';
import * as z from 'zod';
import { MCP_END_MS_MAX } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { lineSplitter } from './line-splitter.ts';

const Id = z.union([z.string(), z.int()]);
const Params = z.looseObject({
  _meta: z.looseObject({ progressToken: Id.optional() }).optional(),
});
const Version = z.literal('2.0');

/** What a line may hold in every revision of the protocol. */
const Message = z.union([
  z.strictObject({
    ...{ jsonrpc: Version, id: Id, method: z.string(), params: Params.optional() },
  }),
  z.strictObject({ jsonrpc: Version, method: z.string(), params: Params.optional() }),
  z.strictObject({ jsonrpc: Version, id: Id, result: z.looseObject({}) }),
  z.strictObject({
    ...{ jsonrpc: Version, id: Id.optional() },
    error: z.object({ code: z.int(), message: z.string(), data: z.unknown().optional() }),
  }),
]);
type Message = z.infer<typeof Message>;

/**
 * MCP over two byte streams, one JSON-RPC message a line, for either line of the SDK.
 *
 * It does what the SDK's stdio transport leaves out: the end of the input closes it, a reader that
 * went away (EPIPE) closes it, broken JSON is answered with -32700 and no id, what is no JSON-RPC
 * message with -32600, a line above the limit with -32600 and the stream goes on, and a full
 * output is waited for.
 */
export class StreamTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: Message) => void;
  /** Resolves when nobody writes or reads any more. */
  readonly ended: Promise<void>;

  readonly #input: Readable;
  readonly #output: Writable;
  readonly #feed: (chunk: Buffer) => void;
  /** Requests received and not answered yet. */
  readonly #open = new Set<string | number>();
  #ending = false;
  #closed = false;
  #tellEnd: () => void = () => {};

  constructor(input: Readable, output: Writable, options: { readonly lineBytesMax: number }) {
    this.#input = input;
    this.#output = output;
    this.ended = new Promise(resolve => {
      this.#tellEnd = resolve;
    });
    this.#feed = lineSplitter({
      bytesMax: options.lineBytesMax,
      onLine: line => this.#receive(line),
      onTooLong: () =>
        this.#refuse(-32_600, `a message is longer than ${options.lineBytesMax} bytes`),
    });
  }

  async start(): Promise<void> {
    this.#input.on('data', this.#feed);
    this.#input.once('end', () => this.#end());
    this.#input.once('close', () => this.#end());
    this.#input.once('error', () => this.#finish());
    // EPIPE: nobody reads us any more.
    this.#output.on('error', () => this.#finish());
    this.#output.once('close', () => this.#finish());
  }

  async send(message: Message): Promise<void> {
    await this.#write(message);
    if (!('method' in message) && message.id !== undefined) this.#open.delete(message.id);
    if (this.#ending && this.#open.size === 0) this.#finish();
  }

  async close(): Promise<void> {
    this.#finish();
  }

  #receive(line: string): void {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      this.#refuse(-32_700, 'Parse error: this line is no JSON');
      return;
    }
    const message = Message.safeParse(value);
    if (message.success) {
      if ('method' in message.data && 'id' in message.data) this.#open.add(message.data.id);
      this.onmessage?.(message.data);
    } else
      this.#refuse(-32_600, 'Invalid Request: this line is no JSON-RPC 2.0 message', idOf(value));
  }

  #refuse(code: number, message: string, id?: string | number): void {
    // MCP 2025-11-25: an id that could not be read is left out, it is not null.
    const answer = {
      jsonrpc: '2.0',
      ...optional({ id }),
      error: { code, message },
    };
    void this.#write(answer);
    this.onerror?.(new Error(message));
  }

  #write(message: object): Promise<void> {
    if (this.#closed || this.#output.destroyed || this.#output.writableEnded) {
      return Promise.resolve();
    }
    return new Promise(resolve => {
      // The callback also fires when the stream breaks: nothing waits for ever.
      this.#output.write(`${JSON.stringify(message)}\n`, () => resolve());
    });
  }

  /** The other side says no more. What is nearly answered still goes out: a script reads it. */
  #end(): void {
    if (this.#ending) return;
    this.#ending = true;
    if (this.#open.size === 0) this.#finish();
    else AbortSignal.timeout(MCP_END_MS_MAX).addEventListener('abort', () => this.#finish());
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#input.off('data', this.#feed);
    this.onclose?.();
    this.#tellEnd();
  }
}

const idOf = (value: unknown): string | number | undefined => {
  if (typeof value !== 'object' || value === null || !('id' in value)) return undefined;
  return typeof value.id === 'string' || typeof value.id === 'number' ? value.id : undefined;
};

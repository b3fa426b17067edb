import type { Readable, Writable } from 'node:stream';
import { MCP_END_MS_MAX } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import { lineSplitter } from './line-splitter.ts';

type Id = string | number;

interface Params {
  readonly [key: string]: unknown;
  _meta?: { [key: string]: unknown; progressToken?: Id | undefined } | undefined;
}

interface Result {
  [key: string]: unknown;
}

/** What a line may hold in every revision of the protocol. */
type Message =
  | { jsonrpc: '2.0'; id: Id; method: string; params?: Params | undefined }
  | { jsonrpc: '2.0'; method: string; params?: Params | undefined }
  | { jsonrpc: '2.0'; id: Id; result: Result }
  | {
      jsonrpc: '2.0';
      id?: Id | undefined;
      error: { code: number; message: string; data?: unknown };
    };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isId = (value: unknown): value is Id =>
  typeof value === 'string' || Number.isSafeInteger(value);

/** By hand, for a schema would be compiled before the first answer. */
function isMessage(value: unknown): value is Message {
  if (!isObject(value)) return false;
  const { jsonrpc, id, method, params, result, error, ...others } = value;
  if (jsonrpc !== '2.0' || Object.keys(others).length > 0) return false;
  if ('id' in value && !isId(id)) return false;
  if ('method' in value) {
    return (
      typeof method === 'string' && isParams(params) && !('result' in value || 'error' in value)
    );
  }
  if ('params' in value) return false;
  if ('result' in value) return isObject(result) && 'id' in value && !('error' in value);
  return (
    isObject(error) && Number.isSafeInteger(error['code']) && typeof error['message'] === 'string'
  );
}

function isParams(value: unknown): boolean {
  if (value === undefined) return true;
  if (!isObject(value)) return false;
  const { _meta: meta } = value;
  if (meta === undefined) return true;
  return isObject(meta) && (meta['progressToken'] === undefined || isId(meta['progressToken']));
}

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
    const end = () => queueMicrotask(() => this.#end());
    this.#input.once('end', end);
    this.#input.once('close', end);
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
    if (isMessage(value)) {
      if ('method' in value && 'id' in value) this.#open.add(value.id);
      // The SDK looks at a notification in a microtask and at an answer at once: progress that came in one
      // piece with its answer would be told to nobody.
      if ('method' in value) this.onmessage?.(value);
      else queueMicrotask(() => this.onmessage?.(value));
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

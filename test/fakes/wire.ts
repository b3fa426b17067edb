import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import * as z from 'zod';
import { serveBridge } from '../../src/bridge/bridge.ts';
import { namedNodes } from '../../src/bridge/node-pool.ts';
import type { Session, ToolRequest } from '../../src/session/port.ts';
import { agentSession } from './agent-session.ts';
import { instrumentsOf } from './instruments.ts';

export const clock = { nowMs: () => Date.parse('2026-03-01T12:00:00Z') };

/** A node whose agents are counted, and whose calls can be held up. */
export function aNode(target = 'gpu-1') {
  const calls: ToolRequest[] = [];
  let held: Promise<unknown> = Promise.resolve();
  const session = agentSession(target, instrumentsOf('lost-gpu'));
  const node: Session = {
    ...{ target, start: session.start.bind(session), close: () => session.close() },
    async call(request) {
      calls.push(request);
      request.onProgress('pod team-a/gpu-mcp-x is running', 'info');
      await held;
      return session.call(request);
    },
  };
  const hold = () => {
    held = new Promise(() => {});
  };
  return { node, calls, hold };
}

export type Served = Omit<Parameters<typeof serveBridge>[0], 'input' | 'output'>;

export function streams(served: Served) {
  const input = new PassThrough();
  const output = new PassThrough();
  const ended = serveBridge({ ...served, input, output });
  return { input, output, ended };
}

export const NEW = '2026-07-28';
export const META = {
  'io.modelcontextprotocol/protocolVersion': NEW,
  'io.modelcontextprotocol/clientCapabilities': {},
};

const Line = z.looseObject({
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string().optional(),
  result: z.looseObject({}).optional(),
  error: z.looseObject({ code: z.number(), message: z.string() }).optional(),
});
export type Line = z.infer<typeof Line>;

/** What is written to a server as it stands, and each line that it says. */
export function wire(served: Served = { nodes: namedNodes([aNode().node]), clock }) {
  const { input, output, ended } = streams(served);
  const said: Line[] = [];
  let rest = '';
  output.on('data', chunk => {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    said.push(...lines.map(line => Line.parse(JSON.parse(line))));
  });
  /** Writes, and waits for so many lines more. */
  const ask = async (message: unknown, lines = 1) => {
    const before = said.length;
    input.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`);
    while (said.length < before + lines) await once(output, 'data');
    return said.slice(before);
  };
  const end = () => {
    input.end();
    return ended;
  };
  return { ask, end, said, input };
}

export const request = (id: number | string, method: string, params?: object) => ({
  ...{ jsonrpc: '2.0', id, method },
  ...(params && { params }),
});
export const initialize = request('init', 'initialize', {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'test', version: '1' },
});
export const call = (id: number | string, name: string, input: object, more: object = {}) =>
  request(id, 'tools/call', { name, arguments: input, ...more });

import type { WebSocket } from 'ws';
import { VERSION } from '../../src/contract/version.ts';
import {
  asJson,
  type FakeApiServer,
  type Json,
  type SeenRequest,
} from '../cluster/fake-api-server.ts';

/** An agent behind the attach: answers each line with what `reply` makes of it. */
export function runAgent(
  api: FakeApiServer,
  reply: (message: Json, socket: WebSocket, request: SeenRequest) => Json | undefined,
): void {
  api.onAttach = (socket, request) => {
    let text = '';
    const write = (line: string) => socket.send(Buffer.concat([Buffer.of(1), Buffer.from(line)]));
    socket.send(Buffer.of(1));
    socket.on('message', (data: Buffer) => {
      if (data[0] === 255) {
        socket.send(Buffer.concat([Buffer.of(3), Buffer.from('{"status":"Success"}')]));
        socket.close(1000);
        return;
      }
      const lines = (text + data.subarray(1).toString('utf8')).split('\n');
      text = lines.pop() ?? '';
      // The key of --redact-names is no message.
      for (const line of lines.filter(each => each.startsWith('{'))) {
        const message = asJson(JSON.parse(line));
        const result = reply(message, socket, request);
        if (result) write(`${JSON.stringify({ jsonrpc: '2.0', id: message['id'], ...result })}\n`);
      }
    });
  };
}

export const initialized = (version: string): Json => ({
  result: {
    protocolVersion: '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'gpu-mcp-agent', version },
  },
});

export const answer = (text: string): Json => ({ result: { content: [{ type: 'text', text }] } });
/** Answers `initialize` and pings; tool calls go to `call`. */
export const agent =
  (call: (params: Json, message: Json) => Json | undefined) =>
  (message: Json): Json | undefined => {
    if (message['method'] === 'initialize') return initialized(VERSION);
    if (message['method'] === 'ping') return { result: {} };
    return message['method'] === 'tools/call'
      ? call(asJson(message['params']), message)
      : undefined;
  };

import { PassThrough } from 'node:stream';
import { createAgentServer } from '../../src/agent/serve.ts';
import { CAPTURE_TOOL } from '../../src/contract/capture-tool.ts';
import { StreamTransport } from '../../src/mcp/stream-transport.ts';
import { rowOf } from '../cli/fleet.ts';
import { asJson, type Json } from '../cluster/fake-objects.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
import { ROW } from './agent.ts';

/** What an agent answers to each tool, made once by the real one on a machine made of data. */
export type Answers = (tool: string, input: Json) => Json | undefined;

export async function answersOf(machine: string, tools: readonly string[]): Promise<Answers> {
  const toAgent = new PassThrough();
  const fromAgent = new PassThrough();
  const server = createAgentServer(instrumentsOf(machine));
  await server.connect(new StreamTransport(toAgent, fromAgent, { lineBytesMax: 1e7 }));
  const replies: Json[] = [];
  let heard: () => void = () => {};
  let text = '';
  fromAgent.on('data', chunk => {
    const lines = `${text}${chunk}`.split('\n');
    text = lines.pop() ?? '';
    replies.push(...lines.map(line => asJson(JSON.parse(line))));
    heard();
  });
  const ask = async (name: string, input: Json): Promise<Json> => {
    const reply = new Promise<void>(resolve => {
      heard = resolve;
    });
    const params = { name, arguments: input };
    toAgent.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })}\n`);
    await reply;
    return { result: replies.pop()?.['result'] };
  };
  const known = new Map<string, Json>();
  for (const tool of tools) {
    const input = tool === CAPTURE_TOOL ? { from: 0, since: '7d', seconds: 0 } : {};
    known.set(tool, await ask(tool, input));
  }
  await server.close();
  known.set(ROW, { text: await rowOf(machine) });
  return tool => known.get(tool);
}

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { expect, test } from 'vitest';
import { createToolServer } from '../../src/agent/tool-server.ts';

test('a call needs the tools’ names alone: their schemas are not made for it', async () => {
  const server = createToolServer({
    name: 'test',
    instructions: '',
    tools: () => Promise.reject(new Error('the list was made')),
    names: async () => ['ping'],
    call: async ({ tool }) => ({ content: [{ type: 'text', text: `${tool} answered` }] }),
  });
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  const client = new Client({ name: 'test', version: '1' });
  await Promise.all([server.connect(ours), client.connect(theirs)]);
  expect(await client.callTool({ name: 'ping' })).toEqual({
    content: [{ type: 'text', text: 'ping answered' }],
  });
  await expect(client.callTool({ name: 'pong' })).rejects.toThrow(
    'MCP error -32602: Unknown tool: pong. Tools: ping',
  );
  await client.close();
});

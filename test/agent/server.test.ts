import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { expect, test } from 'vitest';
import { createAgentServer } from '../../src/agent/serve.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { h100 } from '../scenarios/machines.ts';

const HOT = 0x48;

test('who asks for progress hears that counters are watched, and why', async () => {
  const slowed = h100({ gpus: { 6: { deviceGetCurrentClocksEventReasons: HOT } } });
  const server = createAgentServer(instrumentsFor(machineFrom('slowed', slowed)));
  const client = new Client({ name: 'test', version: '0' });
  const [here, there] = InMemoryTransport.createLinkedPair();
  await server.connect(there);
  await client.connect(here);
  const said: (string | undefined)[] = [];
  await client.callTool({ name: 'triage_gpu_node', arguments: {} }, undefined, {
    onprogress: ({ message }) => said.push(message),
  });
  await client.close();
  expect(said).toEqual(['watches counters for 1.5 s: GPU 6: hw_slowdown, hw_thermal_slowdown']);
});

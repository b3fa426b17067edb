import { once } from 'node:events';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { afterEach, expect, test, vi } from 'vitest';
import { createAgentServer } from '../../src/agent/serve.ts';
import { READING_TOLD_MS } from '../../src/contract/limits.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { instrumentsFor, instrumentsOf } from '../fakes/instruments.ts';
import { h100 } from '../scenarios/machines.ts';

const HOT = 0x48;

afterEach(() => void vi.useRealTimers());

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

test('who waits for a driver that is slow hears how far it is, and in which call', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const instruments = instrumentsOf('dgx-h100');
  const { nvml } = instruments;
  const heard = new AbortController();
  const slow = {
    read: async (...asked: Parameters<typeof nvml.read>) => {
      await new Promise(setImmediate);
      vi.advanceTimersByTime(READING_TOLD_MS);
      await once(heard.signal, 'abort');
      return nvml.read(...asked);
    },
    reached: () => ({ gpus: { read: 4, all: 8 }, call: { name: 'nvmlDeviceGetName', gpu: 4 } }),
    warm: () => nvml.warm(),
    close: () => nvml.close(),
  };
  const server = createAgentServer({ ...instruments, nvml: slow });
  const client = new Client({ name: 'test', version: '0' });
  const [here, there] = InMemoryTransport.createLinkedPair();
  await Promise.all([server.connect(there), client.connect(here)]);
  const said: (string | undefined)[] = [];
  await client.callTool({ name: 'get_gpu_inventory', arguments: {} }, undefined, {
    onprogress({ message }) {
      said.push(message);
      heard.abort();
    },
  });
  expect(said).toEqual(['reading 5 of 8 GPUs: nvmlDeviceGetName on GPU 4']);
  expect(vi.getTimerCount()).toBe(0);
});

import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { run } from './run.ts';

const Settings = z.object({
  mcpServers: z.object({
    gpu: z.object({
      command: z.string(),
      args: z.array(z.string()),
      env: z.record(z.string(), z.string()),
    }),
  }),
});

test('a client starts the server that is printed, from another folder and without our PATH', async () => {
  const environment = { KUBECONFIG: 'config', AWS_PROFILE: 'prod' };
  const { stdout } = await run(['config', 'generic'], { environment, folder: '/nowhere' });
  const { gpu } = Settings.parse(JSON.parse(stdout)).mcpServers;
  expect(gpu.env).toEqual({ KUBECONFIG: '/nowhere/config', AWS_PROFILE: 'prod' });
  const cwd = fileURLToPath(new URL('../fixtures', import.meta.url));
  const transport = new StdioClientTransport({
    ...gpu,
    env: { ...gpu.env, PATH: '/nowhere' },
    cwd,
  });
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(transport);
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toContain('triage_gpu_node');
  await client.close();
});

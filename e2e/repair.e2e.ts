import { afterAll, expect, test } from 'vitest';
import * as z from 'zod';
import { MACHINE_FILE, machineFile, putMachine } from './machines.ts';
import { cluster, leftAfterTenSeconds, leftovers, mcpClient } from './plugin.ts';

/** What a model reads of an answer, in either form. */
const Read = z.object({
  isError: z.boolean().optional(),
  // A captured node is told by a link too.
  content: z.array(z.object({ text: z.string().default('') })),
  structuredContent: z.looseObject({}),
});

afterAll(() => putMachine('node-a', 'lost-gpu'));

test('a client goes from the list of nodes to the proof of a repair by MCP alone, and leaves nothing', async () => {
  putMachine('node-a', 'lost-gpu');
  const { client } = await mcpClient(['serve', '--idle', '3']);
  const call = async (name: string, input: object = {}) => {
    const { content, structuredContent, isError } = Read.parse(
      await client.callTool({ name, arguments: { ...input } }, undefined, { timeout: 60_000 }),
    );
    expect(isError ?? false, content[0]?.text).toBe(false);
    return { text: content[0]?.text ?? '', found: structuredContent };
  };

  const { found: listed } = await call('list_gpu_nodes', { selector: 'kubernetes.io/os=linux' });
  expect(JSON.stringify(listed)).toContain('node-a');
  expect(await leftovers()).toEqual([]);

  const sick = await call('triage_gpu_node', { node: 'node-a' });
  expect(sick.found).toMatchObject({ verdict: 'critical', nextAction: { action: 'reboot_node' } });
  const { found: kept } = await call('capture_node', { node: 'node-a' });
  const { snapshot } = z.looseObject({ snapshot: z.string() }).parse(kept);

  // The repair: the machine is another one, with a driver and a log in which nothing is wrong.
  const node = cluster().nodes.find(({ name }) => name === 'node-a');
  node?.writeFile(MACHINE_FILE, machineFile('dgx-h100'));
  node?.writeFile('/var/log/kern.log', '');

  const after = await call('compare_snapshots', { before: snapshot });
  expect(after.found).toMatchObject({
    before: { node: 'node-a', verdict: 'critical' },
    findings: expect.arrayContaining([
      expect.objectContaining({ change: 'cleared', severity: 'critical' }),
    ]),
  });
  expect(after.text.split('\n')[0]).toBe(
    z.looseObject({ summary: z.string() }).parse(after.found).summary,
  );

  // Nothing is asked any more: the pod ends by itself, while the server lives on.
  expect(await leftAfterTenSeconds()).toEqual([]);
  await call('analyze_kernel_log', {
    text: 'NVRM: Xid (PCI:0000:61:00): 79, GPU has fallen off the bus.',
  });
  expect(await leftovers()).toEqual([]);
  await client.close();
}, 240_000);

import { expect, test } from 'vitest';
import { kubectl, leftAfterTenSeconds, leftovers, mcpClient, withImage } from './plugin.ts';

test('triage of a node with a lost GPU says so first, with the XID, and leaves nothing', async () => {
  const ran = await kubectl(withImage('triage', 'node-a'));
  expect(ran.stderr).not.toContain('error');
  expect(ran.code).toBe(0);
  // The others work, but this node has no device files.
  expect(ran.stdout).toMatch(/^CRITICAL {2}node-a {3}8 of 8 GPUs affected/);
  expect(ran.stdout).toMatch(/^GPU 3 .*is lost/m);
  expect(ran.stdout).toMatch(/The reboot ends .*pid 41210/);
  // The machine under test may be a virtual one.
  expect(ran.stdout).toMatch(/^DO {4}Drain the node and reboot (it|the virtual machine)\./m);
  expect(ran.stdout).toMatch(/^GPU 3 .* LOST$/m);
  expect(ran.stdout).toMatch(/^GPU 0-2, 4-7 +H100 80GB /m);
  expect(ran.stdout).not.toContain('SIMULATED');
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('--fail-on gives scripts an exit code', async () => {
  const ran = await kubectl(withImage('triage', 'node-a', '--fail-on', 'critical', '-q'));
  expect(ran.code).toBe(1);
  expect(ran.stderr).toBe('');
});

test('an MCP client gets the same facts, and there is no pod before the first call', async () => {
  const { client } = await mcpClient(['node-a']);
  try {
    const { tools } = await client.listTools();
    expect(tools.map(tool => tool.name)).toContain('triage_gpu_node');
    expect(await leftovers()).toEqual([]);
    const progress: string[] = [];
    const [inventory, health] = await Promise.all([
      client.callTool({ name: 'get_gpu_inventory', arguments: {} }, undefined, {
        onprogress: step => progress.push(step.message ?? ''),
      }),
      client.callTool({ name: 'get_gpu_health', arguments: {} }),
    ]);
    expect(inventory.structuredContent).toMatchObject({
      node: 'node-a',
      simulated: false,
      gpuCount: 8,
    });
    expect(inventory.structuredContent).toMatchObject({
      gpus: expect.arrayContaining([expect.objectContaining({ index: 3, error: 'gpu_is_lost' })]),
    });
    expect(health.isError ?? false).toBe(false);
    expect(progress.length).toBeGreaterThan(0);
    const pods = await kubectl(['get', 'pods', '-A', '-o', 'name']);
    expect(pods.stdout.match(/gpu-mcp/g)).toHaveLength(1);
    const xids = await client.callTool({ name: 'analyze_xid_errors', arguments: {} });
    expect(xids.structuredContent).toMatchObject({
      incidents: [expect.objectContaining({ action: 'reboot_node', gpuIndex: 3 })],
    });
  } finally {
    await client.close();
  }
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('one tool from a shell, through kubectl attach too', async () => {
  for (const transport of ['websocket', 'kubectl']) {
    const ran = await kubectl(
      withImage('call', 'node-a', 'get_gpu_inventory', '-o', 'json', '--transport', transport),
    );
    expect(ran.code, ran.stderr).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({ node: 'node-a', gpuCount: 8 });
  }
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('kubectl itself completes the words of the plugin, and its nodes', async () => {
  const words = async (...typed: string[]) =>
    (await kubectl(['__complete', 'gpu-mcp', ...typed])).stdout.split('\n');
  expect((await words('tri'))[0]).toMatch(/^triage\t/);
  // Those that offer GPUs, which an earlier test may have made of one; all where none does.
  expect(await words('triage', 'node-')).toContainEqual(expect.stringMatching(/^node-[ab]$/));
});

test('manifest pod prints what the API server takes as it is', async () => {
  const ran = await kubectl(withImage('manifest', 'pod', 'node-a'));
  expect(ran.code, ran.stderr).toBe(0);
  const dry = await kubectl(['create', '--dry-run=server', '-o', 'name', '-f', '-'], {
    input: ran.stdout,
  });
  expect(dry.code, dry.stderr).toBe(0);
  expect(dry.stdout).toMatch(/gpu-mcp/);
});

test('two nodes: their events in one order, by clocks that were compared', async () => {
  const ran = await kubectl(withImage('triage', 'node-a', 'node-b', '--details'));
  expect(ran.code, ran.stderr).toBe(0);
  const [head, first] = ran.stdout.slice(ran.stdout.indexOf('order over 2 nodes')).split('\n');
  // The nodes of this cluster have this machine's clock.
  expect(head).toMatch(/node-a [+-]\d+ ms ±\d+ ms/);
  expect(head).toMatch(/node-b [+-]\d+ ms ±\d+ ms/);
  expect(first).toMatch(
    /^first fault in what was read: node-a, GPU 3, Uncorrected PCIe error, then XID 79: GPU has fallen off the bus$/,
  );
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('--redact-names: the agent in the pod gets the key, and tokens stand for names', async () => {
  const ran = await kubectl(withImage('call', 'node-a', 'analyze_xid_errors', '--redact-names'));
  expect(ran.code, ran.stderr).toBe(0);
  expect(ran.stdout).toMatch(/pid=\d+, name=proc-[0-9a-f]{8},/);
  expect(ran.stdout).not.toMatch(/name=(?!proc-|<unknown>)/);
  expect(await leftAfterTenSeconds()).toEqual([]);
});

import { afterAll, expect, test } from 'vitest';
import { connect } from '../src/cluster/kubernetes-cluster.ts';
import { cluster, kubectl, leftAfterTenSeconds, withImage } from './plugin.ts';

test('the printed namespace and rights are enough for a whole session, and nothing more is granted', async () => {
  for (const kind of ['namespace', 'rbac']) {
    const printed = await kubectl(['gpu-mcp', 'manifest', kind, '-n', 'on-call']);
    expect(printed.code, printed.stderr).toBe(0);
    const applied = await kubectl(['apply', '-f', '-'], { input: printed.stdout });
    expect(applied.code, applied.stderr).toBe(0);
  }
  const kubeconfig = cluster().kubeconfigFor('ann', ['gpu-on-call']);
  const ran = await kubectl(withImage('triage', 'node-a', '-n', 'on-call'), { kubeconfig });
  expect(ran.code, ran.stderr).toBe(0);
  expect(ran.stdout).toMatch(/^CRITICAL {2}node-a .*\n\nGPU 3 /);
  expect(ran.stderr).toMatch(/job on-call\/gpu-mcp-.* deleted, verified/);
  expect(await leftAfterTenSeconds()).toEqual([]);
  const rows = await kubectl(withImage('triage', '--fleet', 'node-a', '-n', 'on-call'), {
    kubeconfig,
  });
  expect(rows.code, rows.stderr).toBe(0);
  expect(rows.stderr).toMatch(/job on-call\/gpu-mcp-fleet-\w+ and its 1 pod deleted, verified/);
  const elsewhere = await kubectl(withImage('triage', 'node-a', '-n', 'default'), { kubeconfig });
  expect(elsewhere.code).toBe(3);
  expect(elsewhere.stderr).toMatch(/ann.*create/s);
});

test('an event is left on the node with the right that manifest rbac --event prints, and not without', async () => {
  const kubeconfig = cluster().kubeconfigFor('eve', ['gpu-events']);
  const apply = async (...flags: readonly string[]) => {
    const words = ['manifest', 'rbac', '-n', 'on-call', '--group', 'gpu-events', ...flags];
    const printed = await kubectl(['gpu-mcp', ...words]);
    expect((await kubectl(['apply', '-f', '-'], { input: printed.stdout })).code).toBe(0);
  };
  const triage = () =>
    kubectl(withImage('triage', 'node-a', '-n', 'on-call', '--event'), { kubeconfig });
  await apply();
  const refused = await triage();
  expect(refused.code, refused.stderr).toBe(0);
  expect(refused.stderr).toMatch(/warning: no event was left on node node-a: .*eve.* may not/);
  await apply('--event');
  const left = await triage();
  expect(left.code, left.stderr).toBe(0);
  expect(left.stderr).toContain('event GpuTriage left on node node-a: critical');
  const described = await kubectl(['describe', 'node', 'node-a']);
  expect(described.stdout).toMatch(/Warning +GpuTriage .*critical: kubectl gpu-mcp .*"eve"/);
  await kubectl(['delete', 'events', '-n', 'default', '--field-selector', 'reason=GpuTriage']);
});

const SLICE = 'gpu-mcp-e2e-slice';
const UUID = 'GPU-8c1f9f2e-6a0b-4d7c-8c1f-9f2e6a0b4d7c';

afterAll(async () => {
  await kubectl(['delete', 'resourceslice', SLICE, '--ignore-not-found']);
});

test('the printed rights are enough to read which GPU a device of DRA is, and none are too few', async () => {
  // The same binding may have been printed for another group meanwhile.
  const printed = await kubectl(['gpu-mcp', 'manifest', 'rbac', '-n', 'on-call']);
  expect((await kubectl(['apply', '-f', '-'], { input: printed.stdout })).code).toBe(0);
  const slice = {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: { name: SLICE },
    spec: {
      driver: 'gpu.nvidia.com',
      nodeName: 'node-a',
      pool: { name: 'node-a', generation: 1, resourceSliceCount: 1 },
      devices: [
        {
          name: 'gpu-0',
          attributes: {
            type: { string: 'gpu' },
            uuid: { string: UUID },
            pcieBusID: { string: '0000:1b:00.0' },
          },
        },
      ],
    },
  };
  const made = await kubectl(['create', '-f', '-'], { input: JSON.stringify(slice) });
  expect(made.code, made.stderr).toBe(0);
  const devicesAs = async (user: string, groups: readonly string[]) => {
    const kubeconfig = cluster().kubeconfigFor(user, groups);
    const as = await connect({
      flags: { kubeconfig },
      environment: {},
      clock: { nowMs: Date.now },
    });
    try {
      const question = { node: 'node-a', devices: true };
      return (await as.view(question, new AbortController().signal)).devices;
    } finally {
      as.close();
    }
  };
  expect(await devicesAs('ann', ['gpu-on-call'])).toEqual({
    ok: true,
    value: [
      {
        ...{ driver: 'gpu.nvidia.com', pool: 'node-a', name: 'gpu-0' },
        uuid: UUID,
        pci: '0000:1b:00',
      },
    ],
  });
  expect(await devicesAs('bob', [])).toMatchObject({ ok: false, reason: 'no_permission' });
});

import { expect, test } from 'vitest';
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
  expect(ran.stdout).toMatch(/^CRITICAL {2}node-a: GPU 3 /);
  expect(ran.stderr).toMatch(/job on-call\/gpu-mcp-.* deleted, verified/);
  expect(await leftAfterTenSeconds()).toEqual([]);
  const elsewhere = await kubectl(withImage('triage', 'node-a', '-n', 'default'), { kubeconfig });
  expect(elsewhere.code).toBe(3);
  expect(elsewhere.stderr).toMatch(/ann.*create/s);
});

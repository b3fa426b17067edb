import { expect, test } from 'vitest';
import { namespaceManifest, rbacManifests } from '../../src/cli/manifest.ts';

test('what an admin applies: the namespace, and rights of one group in it', () => {
  expect([namespaceManifest('gpu-mcp'), ...rbacManifests('gpu-mcp', {})]).toMatchSnapshot();
});

test('with --event one more role, which lets write events of nodes and nothing else', () => {
  const plain = rbacManifests('gpu-mcp', {});
  const more = rbacManifests('gpu-mcp', { event: true }).filter(
    object => !plain.some(other => JSON.stringify(other) === JSON.stringify(object)),
  );
  expect(more).toMatchObject([
    {
      kind: 'Role',
      metadata: { name: 'gpu-mcp.events', namespace: 'default' },
      rules: [{ apiGroups: [''], resources: ['events'], verbs: ['create'] }],
    },
    {
      kind: 'RoleBinding',
      metadata: { namespace: 'default' },
      roleRef: { kind: 'Role', name: 'gpu-mcp.events' },
      subjects: [{ kind: 'Group', name: 'gpu-on-call' }],
    },
  ]);
});

import { expect, test } from 'vitest';
import { namespaceManifest, policyManifests, rbacManifests } from '../../src/cli/manifest.ts';
import { read } from '../house/files.ts';

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

test('bindings of two holders stand beside each other, their roles are the same', () => {
  const named = (who: Parameters<typeof rbacManifests>[1], kind: RegExp) =>
    rbacManifests('gpu-mcp', { ...who, event: true }).flatMap(({ kind: of, metadata }) =>
      kind.test(String(of)) ? [JSON.stringify([of, metadata])] : [],
    );
  const holders = [{ group: 'a' }, { group: 'oidc:x/y' }, { user: 'a' }];
  const bindings = holders.flatMap(who => named(who, /Binding$/));
  expect(new Set(bindings).size).toBe(9);
  expect(bindings.join()).not.toMatch(/name":"[^"]*[/%]/);
  expect(new Set(holders.flatMap(who => named(who, /Role$/))).size).toBe(3);
});

test('every right and policy bears the label by which an admin takes them all away', () => {
  const objects = [
    ...rbacManifests('gpu-mcp', { event: true }),
    ...policyManifests('gpu-mcp', { image: 'a:1' }, { kyverno: false }),
  ];
  for (const { metadata } of objects) {
    expect(metadata).toMatchObject({
      labels: { 'app.kubernetes.io/managed-by': 'kubectl-gpu-mcp' },
    });
  }
  const kinds = new Set(objects.map(({ kind }) => String(kind).toLowerCase()));
  const [line = ''] = /kubectl delete rolebinding[^`]*/.exec(read('docs/admins.md')) ?? [];
  expect(line).toContain('-A -l app.kubernetes.io/managed-by=kubectl-gpu-mcp');
  expect([...kinds].filter(kind => !line.includes(kind))).toEqual([]);
});

test('who looks at pods from within gets a role of that namespace, with these verbs and no other', () => {
  expect(rbacManifests('ml', { group: 'team-a', isEphemeral: true })).toMatchObject([
    {
      kind: 'Role',
      metadata: { name: 'gpu-mcp.ephemeral', namespace: 'ml' },
      rules: [
        { resources: ['pods'], verbs: ['get'] },
        { resources: ['pods/ephemeralcontainers'], verbs: ['patch'] },
        { resources: ['pods/attach'], verbs: ['create', 'get'] },
        { resources: ['pods/log'], verbs: ['get'] },
        { resources: ['events'], verbs: ['list'] },
      ],
    },
    {
      kind: 'RoleBinding',
      metadata: { name: 'gpu-mcp.ephemeral:group:team-a', namespace: 'ml' },
      roleRef: { kind: 'Role', name: 'gpu-mcp.ephemeral' },
      subjects: [{ kind: 'Group', name: 'team-a' }],
    },
  ]);
});

test('the policy of such a namespace is about what is added to pods, and about nothing else', () => {
  const permitted = { image: 'a:1', profile: 'ephemeral' } as const;
  for (const kyverno of [false, true]) {
    const [policy] = policyManifests('ml', permitted, { kyverno });
    expect(policy).toMatchObject({
      metadata: { name: 'gpu-mcp-ephemeral.ml' },
      spec: {
        matchConstraints: {
          resourceRules: [{ operations: ['UPDATE'], resources: ['pods/ephemeralcontainers'] }],
        },
      },
    });
  }
});

import { describe, expect, test } from 'vitest';
import { policyManifests } from '../../src/cli/manifest.ts';
import { PROFILES } from '../../src/contract/labels.ts';
import { sessionRules, sessionVariables } from '../../src/session/admission-policy.ts';
import { jobSpec } from '../../src/session/job.ts';
import { podSpec } from '../../src/session/pod-spec.ts';
import { MUTANTS } from './policy-mutants.ts';

const image = `example.com/agent@sha256:${'0'.repeat(64)}`;

test('what an admin applies to let nothing but sessions run', () => {
  expect(policyManifests('gpu-mcp', { image }, { kyverno: false })).toMatchSnapshot();
});

test('Kyverno’s policies hold the same rules', () => {
  const validations = (kyverno: boolean) =>
    policyManifests('gpu-mcp', { image }, { kyverno })
      .map(({ spec }) => JSON.stringify(spec))
      .flatMap(spec => [...spec.matchAll(/"expression":"((?:[^"\\]|\\.)*)"/g)].map(([all]) => all));
  expect(validations(true)).toEqual(validations(false));
  expect(policyManifests('gpu-mcp', { image }, { kyverno: true })).toHaveLength(2);
});

const NODES = {
  ubuntu: { osImage: 'Ubuntu 24.04', kubeletVersion: 'v1.31.0', labels: {} },
  old: { osImage: 'Ubuntu 20.04', kubeletVersion: 'v1.29.0', labels: {} },
  debian: { osImage: 'Debian GNU/Linux 12', kubeletVersion: 'v1.31.0', labels: {} },
  cos: { osImage: 'Container-Optimized OS', kubeletVersion: 'v1.31.0', labels: {} },
  k0s: { osImage: 'Ubuntu', kubeletVersion: 'v1.31.0+k0s', labels: {} },
  operator: {
    osImage: 'Ubuntu',
    kubeletVersion: 'v1.31.0',
    labels: { 'nvidia.com/gpu.deploy.driver': 'true' },
  },
};

describe.each(PROFILES)('of --profile %s', profile => {
  test.each(Object.entries(NODES))('no volume or mount on %s is without its rule', (_, node) => {
    const options = {
      ...{ image, profile, name: 'n', namespace: 'gpu-mcp', session: 's', nowMs: 0 },
      node: { name: 'node-a', ...node },
    };
    const rules = sessionRules({ image });
    const expressionOf = (name: string) => rules.find(rule => rule.name === name)?.expression ?? '';
    const { spec } = podSpec(options);
    const [container] = spec?.containers ?? [];
    for (const { hostPath } of spec?.volumes ?? []) {
      expect(expressionOf('spec.volumes')).toContain(`dyn('${hostPath?.path}')`);
    }
    for (const { mountPath } of container?.volumeMounts ?? []) {
      expect(expressionOf('container.volumeMounts')).toContain(`dyn('${mountPath}')`);
    }
    for (const { name } of container?.env ?? []) {
      expect(expressionOf('container.env')).toContain(`'${name}'`);
    }
    const fields = (of: object | undefined) => Object.keys(of ?? {});
    const known = (room: string) => rules.find(({ name }) => name === `${room}.*`)?.message ?? '';
    for (const field of fields(spec)) expect(known('spec')).toContain(field);
    for (const field of fields(container)) expect(known('container')).toContain(field);
    for (const field of fields(jobSpec(options).spec)) expect(known('job')).toContain(field);
  });
});

test('a policy of one profile demands that one alone', () => {
  const rule = (name: string, permitted: object) =>
    sessionRules({ image, ...permitted }).find(found => found.name === name)?.expression ?? '';
  const context = 'container.securityContext';
  const restricted = rule(context, { profile: 'restricted' });
  expect(restricted).toContain("dyn(['SYSLOG'])");
  expect(restricted).not.toContain('privileged');
  expect(rule(context, { profile: 'restricted', syslog: false })).not.toContain('SYSLOG');
  expect(rule(context, { profile: 'unmounted' })).not.toContain('SYSLOG');
  expect(rule('spec.runtimeClassName', { profile: 'restricted', runtimeClassName: 'nv' })).toBe(
    "variables.isSame || (!has(variables.spec.runtimeClassName) || (variables.spec.runtimeClassName == 'nv'))",
  );
});

test.each([
  ['restricted', 'restricted session'],
  ['mounted', 'session'],
  ['unmounted', 'session'],
] as const)('a policy of --profile %s knows its sessions by the form %s', (profile, form) => {
  const { expression } = sessionVariables({ image, profile }).at(-1) ?? { expression: '' };
  const [, prefix = ''] = /^'(.*?)' \+ /.exec(expression) ?? [];
  expect(`${prefix}session`).toBe(form);
  const stdin = sessionRules({ image, profile }).find(({ name }) => name === 'container.stdin');
  expect(stdin?.expression).toContain(`variables.form in ['${form}'] ? has(`);
});

test('every rule is broken by a mutant, and every mutant has its rule', () => {
  const names = sessionRules({ image }).map(({ name }) => name);
  const broken = new Set(MUTANTS.map(({ rule }) => rule));
  expect([...broken].filter(rule => !names.includes(rule))).toEqual([]);
  // What the API server itself refuses or puts right before any policy is asked.
  expect(names.filter(name => !broken.has(name))).toMatchInlineSnapshot(`
    [
      "spec.serviceAccount",
      "job.manualSelector",
    ]
  `);
});

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { policyManifests } from '../../src/cli/manifest.ts';
import type { V1EphemeralContainer, V1Job, V1Pod } from '../../src/cluster/port.ts';
import { ephemeralContainer } from '../../src/session/ephemeral-container.ts';
import { jobSpec } from '../../src/session/job.ts';
import { podSpec } from '../../src/session/pod-spec.ts';
import type { Json } from '../../test/cluster/fake-api-server.ts';
import { MUTANTS, type Mutant, rowObjects } from '../../test/session/policy-mutants.ts';
import { goPrograms } from './checkers.ts';

const image = `example.com/agent@sha256:${'0'.repeat(64)}`;
const namespace = 'gpu-mcp';
const options = {
  ...{ image, namespace, name: 'n', session: 's', nowMs: 0 },
  node: { name: 'node-a', osImage: '', labels: {}, kubeletVersion: 'v1.31.0' },
};

/** An object by a name of its own, by which the report tells of it. */
const named = (object: V1Pod | V1Job, name: string) => ({
  ...object,
  metadata: { ...object.metadata, name, namespace },
});

function mutated({ pod, job, row, owner }: Mutant): V1Pod | V1Job {
  const rows = rowObjects(image, namespace);
  const [ownPod, ownJob] = [podSpec(options), jobSpec(options)];
  row?.(rows.pod);
  owner?.(rows.owner);
  pod?.(ownPod);
  job?.(ownJob);
  return row ? rows.pod : owner ? rows.owner : job ? ownJob : ownPod;
}

const Report = z.object({
  results: z.array(
    z.object({
      result: z.string(),
      message: z.string(),
      resources: z.array(z.object({ name: z.string() })),
    }),
  ),
});

/** What Kyverno's own engine says of each object, by its name: its verdict and the rule's. */
function judged(
  kyverno: string,
  objects: readonly object[],
  policies: readonly object[] = policyManifests(namespace, { image }, { kyverno: true }),
): ReadonlyMap<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-kyverno-'));
  const file = (name: string, content: readonly object[]) => {
    writeFileSync(join(folder, name), content.map(each => JSON.stringify(each)).join('\n---\n'));
    return join(folder, name);
  };
  try {
    const cli = { apiVersion: 'cli.kyverno.io/v1alpha1', metadata: { name: 'x' } };
    const labels = { 'kubernetes.io/metadata.name': namespace };
    const values = { ...cli, kind: 'Values', namespaceSelector: [{ name: namespace, labels }] };
    const userInfo = { username: 'ann', groups: ['gpu-on-call'] };
    const words = [
      ...['apply', file('policy.yaml', policies)],
      ...['--resource', file('objects.yaml', objects), '--policy-report'],
      ...['--values-file', file('values.yaml', [values])],
      ...['--userinfo', file('user.yaml', [{ ...cli, kind: 'UserInfo', userInfo }])],
    ];
    const { stdout, stderr } = spawnSync(kyverno, words, { encoding: 'utf8', maxBuffer: 64e6 });
    const report = stdout.indexOf('apiVersion:');
    expect(report, stderr).toBeGreaterThanOrEqual(0);
    return new Map(
      Report.parse(load(stdout.slice(report))).results.flatMap(({ result, message, resources }) =>
        resources.map(({ name }) => [name, `${result} ${message.split(': ')[0]}`]),
      ),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('Kyverno lets sessions in, and refuses what is none by the rule that it breaks', async ({
  skip,
}) => {
  const programs = await goPrograms('kyverno');
  if ('why' in programs) return skip(programs.why);
  const { pod, owner } = rowObjects(image, namespace);
  const sessions = [podSpec(options), jobSpec(options), pod, owner];
  const verdicts = judged(join(programs.folder, 'kubectl-kyverno'), [
    ...sessions.map((object, at) => named(object, `session-${at}`)),
    ...MUTANTS.map((mutant, at) => named(mutated(mutant), `mutant-${at}`)),
  ]);
  expect(sessions.map((_, at) => verdicts.get(`session-${at}`))).toEqual(
    sessions.map(() => 'pass success'),
  );
  const said = MUTANTS.map(({ name }, at) => `${name}: ${verdicts.get(`mutant-${at}`)}`);
  expect(said).toEqual(MUTANTS.map(({ name, rule }) => `${name}: fail ${rule}`));
}, 1_800_000);

const GPU = 'GPU-11111111-2222-4333-8444-555555555555';

/**
 * A pod with a container of ours in it. Kyverno's command knows objects that are made and no requests for a part of
 * one: it is asked by the same rules for pods that are made, in which all that is there is new.
 */
function besideJob(change: (own: V1EphemeralContainer, status: Json) => void = () => {}) {
  const status: Json = { name: 'train', user: { linux: { uid: 1_000 } } };
  const own = ephemeralContainer({
    ...{ image, session: 's', user: 'ann', pod: { node: 'node-a', uid: 'uid-a' } },
    target: {
      ...{ name: 'train', state: 'running', reason: '', id: 'a'.repeat(64), gpus: [GPU] },
      security: { user: 1_000, drop: [], add: [], confined: {} },
    },
  });
  change(own, status);
  const env = [{ name: 'NVIDIA_VISIBLE_DEVICES', value: GPU }];
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { uid: 'uid-a' } },
    spec: {
      ...{ nodeName: 'node-a', containers: [{ name: 'train', image: 'x:1', env }] },
      ephemeralContainers: [own],
    },
    status: { containerStatuses: [status] },
  };
}

const securityOf = (own: V1EphemeralContainer, more: object) => {
  own.securityContext = { ...own.securityContext, ...more };
};

/** What is no container of ours, or not one like the one beside it, and the rule that says so. */
const STRANGERS: Readonly<Record<string, readonly [Parameters<typeof besideJob>[0], string]>> = {
  'another image': [own => void Object.assign(own, { image: 'evil:1' }), 'image'],
  'another name': [own => void Object.assign(own, { name: 'debugger' }), 'name'],
  'a command': [own => void Object.assign(own, { command: ['sh'] }), '*'],
  'another argument': [own => void Object.assign(own, { args: ['--driver-root', '/x'] }), 'args'],
  'a stdin that stays': [own => void Object.assign(own, { stdinOnce: false }), 'stdin'],
  'an escalation': [own => securityOf(own, { allowPrivilegeEscalation: true }), 'securityContext'],
  'a privilege': [own => securityOf(own, { privileged: true }), 'securityContext'],
  'a variable': [own => void own.env?.push({ name: 'LD_PRELOAD', value: '/x' }), 'env'],
  'another who asks': [own => void own.env?.push({ name: 'GPU_MCP_USER', value: 'bob' }), 'env'],
  'another user': [own => securityOf(own, { runAsUser: 1_001 }), 'targetContainerName'],
  'root, where the image alone names a user': [
    own => securityOf(own, { runAsUser: 0, runAsNonRoot: undefined }),
    'targetContainerName',
  ],
  'root, where nobody knows the user': [
    (own, status) => {
      delete status['user'];
      securityOf(own, { runAsUser: 0, runAsNonRoot: undefined });
    },
    'targetContainerName',
  ],
  'a confinement of its own': [
    own => securityOf(own, { seLinuxOptions: { type: 'spc_t' } }),
    'targetContainerName',
  ],
  'a GPU of others': [
    own => {
      for (const each of own.env ?? []) {
        if (each.name === 'NVIDIA_VISIBLE_DEVICES') each.value = GPU.replaceAll('1', '9');
      }
    },
    'targetContainerName',
  ],
};

test('Kyverno reads the rules of --profile ephemeral as Kubernetes does', async ({ skip }) => {
  const programs = await goPrograms('kyverno');
  if ('why' in programs) return skip(programs.why);
  const written = policyManifests(namespace, { image, profile: 'ephemeral' }, { kyverno: true });
  const policies = JSON.stringify(written)
    .replace('"operations":["UPDATE"]', '"operations":["CREATE"]')
    .replace('"pods/ephemeralcontainers"', '"pods"')
    .replace(/(?<="before","expression":")[^"]+/, '[]');
  const sessions = {
    'as its kubelet says': besideJob(),
    'of an unknown user': besideJob((own, status) => {
      delete status['user'];
      securityOf(own, { runAsUser: 65_532 });
    }),
  };
  const all = [
    ...Object.values(sessions),
    ...Object.values(STRANGERS).map(([change]) => besideJob(change)),
  ];
  const verdicts = judged(
    join(programs.folder, 'kubectl-kyverno'),
    all.map((pod, at) => ({ ...pod, metadata: { ...pod.metadata, name: `pod-${at}`, namespace } })),
    JSON.parse(policies),
  );
  const told = [...Object.keys(sessions), ...Object.keys(STRANGERS)].map(
    (name, at) => `${name}: ${verdicts.get(`pod-${at}`)}`,
  );
  expect(told).toEqual([
    ...Object.keys(sessions).map(name => `${name}: pass success`),
    ...Object.entries(STRANGERS).map(
      ([name, [, rule]]) => `${name}: fail ephemeralContainers.${rule}`,
    ),
  ]);
}, 1_800_000);

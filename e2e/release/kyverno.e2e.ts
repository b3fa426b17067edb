import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { policyManifests } from '../../src/cli/manifest.ts';
import type { V1Job, V1Pod } from '../../src/cluster/port.ts';
import { jobSpec } from '../../src/session/job.ts';
import { podSpec } from '../../src/session/pod-spec.ts';
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
function judged(kyverno: string, objects: readonly object[]): ReadonlyMap<string, string> {
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
      ...['apply', file('policy.yaml', policyManifests(namespace, { image }, { kyverno: true }))],
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

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kubectl, leftAfterTenSeconds, withImage } from './plugin.ts';

const LEVELS = ['privileged', 'baseline', 'restricted'] as const;
const inLevel = (level: (typeof LEVELS)[number]) => ['-n', `level-${level}`];
const OTHER_HANDLER = 'other-handler';

const create = async (object: object) => {
  const made = await kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) });
  expect(made.code, made.stderr).toBe(0);
};
const runtimeClass = (name: string, handler: string) =>
  create({ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name }, handler });

beforeAll(async () => {
  for (const level of LEVELS) {
    const labels = { 'pod-security.kubernetes.io/enforce': level };
    const metadata = { name: `level-${level}`, labels };
    await create({ apiVersion: 'v1', kind: 'Namespace', metadata });
  }
  await runtimeClass('nvidia', 'nvidia');
  await runtimeClass(OTHER_HANDLER, 'not-on-this-node');
});

afterAll(async () => {
  await kubectl(['delete', 'runtimeclass', 'nvidia', OTHER_HANDLER, '--ignore-not-found']);
  await kubectl(['delete', 'namespace', ...LEVELS.map(level => `level-${level}`), '--wait=false']);
});

const triage = (...words: readonly string[]) =>
  kubectl(withImage('triage', 'node-a', '--profile', 'restricted', ...words));

/** The verdict, the ids of findings and the gaps. */
function told(stdout: string) {
  const { verdict, findings, gaps } = JSON.parse(stdout);
  const ids: readonly string[] = findings.map(({ id }: { id: string }) => id);
  return { verdict, ids, gaps: String(gaps.join('\n')) };
}

describe('--profile restricted', () => {
  test('reads the GPUs by NVIDIA’s runtime and the kernel’s ring by CAP_SYSLOG, and names what it lacks', async () => {
    const ran = await triage(...inLevel('privileged'), '-o', 'json');
    expect(ran.code, ran.stderr).toBe(0);
    const { verdict, ids, gaps } = told(ran.stdout);
    expect(verdict).toBe('critical');
    expect(ids).toContain('lost-gpu:3');
    expect(gaps).toContain('needs hostPID: --profile unmounted');
    expect(gaps).toContain('needs the files of the node: --profile unmounted');
    expect(gaps).not.toContain('no kernel log');
    expect(await leftAfterTenSeconds()).toEqual([]);
  });

  test.each(['baseline', 'restricted'] as const)(
    'Pod Security "%s" refuses CAP_SYSLOG, and says which flag leaves it out',
    async level => {
      const ran = await triage(...inLevel(level));
      expect(ran.code).toBe(4);
      expect(ran.stderr).toMatch(/Pod Security standard .* refuses the pod: .*SYSLOG/);
      expect(ran.stderr).toContain('--no-syslog leaves CAP_SYSLOG out');
      expect(await leftAfterTenSeconds()).toEqual([]);
    },
  );

  test.each(['baseline', 'restricted'] as const)(
    'without CAP_SYSLOG it runs under Pod Security "%s", and the kernel log is a gap',
    async level => {
      const ran = await triage('--no-syslog', ...inLevel(level), '-o', 'json');
      expect(ran.code, ran.stderr).toBe(0);
      const { verdict, ids, gaps } = told(ran.stdout);
      expect(verdict).toBe('critical');
      expect(ids).toContain('lost-gpu:3');
      expect(gaps).toContain('no kernel log could be read (needs CAP_SYSLOG');
      expect(await leftAfterTenSeconds()).toEqual([]);
    },
  );

  test('rows of a fleet are left by such pods too', async () => {
    const words = ['triage', 'node-a', 'node-b', '--fleet', '--profile', 'restricted'];
    const ran = await kubectl(withImage(...words, '--no-syslog', ...inLevel('restricted')));
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toMatch(/node-a +CRITICAL/);
    expect(ran.stdout).toMatch(/node-b +(?:WARNING|UNKNOWN)/);
    expect(await leftAfterTenSeconds()).toEqual([]);
  });

  test('a node without the handler of its RuntimeClass is told in a sentence', async () => {
    const ran = await triage('--runtime-class', OTHER_HANDLER, ...inLevel('privileged'));
    expect(ran.code).toBe(4);
    expect(ran.stderr).toMatch(/the node has no runtime for the pod's RuntimeClass/);
    expect(await leftAfterTenSeconds()).toEqual([]);
  });

  test('a doctor finds nothing that would stop it where Pod Security is restricted', async () => {
    const flags = ['--profile', 'restricted', '--no-syslog', ...inLevel('restricted')];
    const ran = await kubectl(withImage('doctor', 'node-a', ...flags));
    expect(ran.code, ran.stdout).toBe(0);
  });

  test('without a RuntimeClass there is no GPU to be read, which is no fault of the driver', async () => {
    await kubectl(['delete', 'runtimeclass', 'nvidia']);
    const ran = await triage(...inLevel('privileged'), '-o', 'json');
    await runtimeClass('nvidia', 'nvidia');
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stderr).toContain('there is no RuntimeClass "nvidia"');
    const { ids, gaps } = told(ran.stdout);
    expect(gaps).toContain('NVML: needs GPUs from NVIDIA’s runtime');
    expect(ids).not.toContain('driver-not-loaded');
    expect(await leftAfterTenSeconds()).toEqual([]);
  });
});

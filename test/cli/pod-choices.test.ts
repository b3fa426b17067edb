import { expect, test } from 'vitest';
import { podChoices } from '../../src/cli/pod-choices.ts';
import { run } from './run.ts';

const chosen = (args: Parameters<typeof podChoices>[0]['args']) =>
  podChoices({
    args,
    io: { environment: {}, program: { plugin: '/bin/plugin', agent: '/bin/agent.mjs' } },
  });

test('what a restricted pod has is taken over', () => {
  const args = { profile: 'restricted', runtimeClass: 'mine', syslog: false } as const;
  expect(chosen(args)).toMatchObject({
    ...{ profile: 'restricted', runtimeClassName: 'mine', syslog: false },
  });
});

test.each([
  [{ runtimeClass: 'nvidia' }, '--runtime-class is for --profile restricted'],
  [{ syslog: false }, '--no-syslog is for --profile restricted'],
  [{ profile: 'mounted', syslog: false } as const, '--no-syslog is for --profile restricted'],
  [
    { profile: 'restricted', driverRoot: '/run/nvidia/driver' } as const,
    '--driver-root and --profile restricted exclude each other',
  ],
])('%j is refused', (args, words) => {
  expect(() => chosen(args)).toThrow(words);
});

test.each([
  [{ lifetime: 'pod' } as const, '--lifetime'],
  [{ cpu: '1' }, '--cpu'],
  [{ memory: '1Gi' }, '--memory'],
  [{ priorityClass: 'high' }, '--priority-class'],
  [{ serviceAccount: 'me' }, '--service-account'],
  [{ imagePullSecret: ['login'] }, '--image-pull-secret'],
  [{ driverRoot: '/x' }, '--driver-root'],
  [{ reason: 'INC-1' }, '--reason'],
  [{ runtimeClass: 'nvidia' }, '--runtime-class'],
  [{ syslog: false }, '--no-syslog'],
])('a container in a pod of others has the pod’s own: %j is refused', (more, flag) => {
  expect(() => chosen({ profile: 'ephemeral', ...more })).toThrow(
    `${flag} and --profile ephemeral exclude each other`,
  );
});

test.each([
  [[], 'runtimeClassName: nvidia', 'add:\n'],
  [['--runtime-class', 'mine'], 'runtimeClassName: mine', 'add:\n'],
  [['--no-syslog'], 'runAsNonRoot: true', 'drop:\n'],
])('manifest pod --offline --profile restricted %j prints it', async (flags, ...parts) => {
  const words = ['manifest', 'pod', 'gpu-1', '--offline', '--profile', 'restricted'];
  const { code, stdout } = await run([...words, ...flags]);
  expect(code).toBe(0);
  for (const part of parts) expect(stdout).toContain(part);
  expect(stdout).not.toContain('privileged');
});

test.each([
  [{ noImage: 'auto' }, '', undefined],
  [{ noImage: 'busybox:1' }, 'busybox:1', 'busybox:1'],
])(
  '%j is looked for beside the program alone, and not where it was started',
  (args, image, named) => {
    const program = { plugin: '/opt/bin/kubectl-gpu_mcp', agent: '__agent' };
    expect(podChoices({ args, io: { environment: {}, program } })).toMatchObject({
      image,
      carry: { image: named, archive: { file: undefined, folders: ['/opt/bin'] } },
    });
  },
);

test.each([
  [['--no-image', '--image', 'x:1'], '--image and --no-image exclude each other'],
  [['--agent-archive', 'x'], '--agent-archive is for --no-image'],
  [['--no-image', '--agent-archive', '/none'], 'without a node nothing tells which image it has'],
  [['--no-image=x:1', '--agent-archive', '/none'], 'the archive /none cannot be read'],
])('manifest pod --offline %j is refused', async (flags, words) => {
  const { code, stderr } = await run(['manifest', 'pod', 'gpu-1', '--offline', ...flags]);
  expect(code).toBe(2);
  expect(stderr).toContain(words);
});

test('--no-image takes no word but behind its equals sign', async () => {
  const { stderr } = await run(['manifest', '--no-image', 'pod', 'gpu-1', '--offline']);
  expect(stderr).toContain('without a node nothing tells which image it has');
});

test('a fleet, which attaches to nothing, is refused before anything is asked', async () => {
  const { code, stderr } = await run(['triage', 'node-a', 'node-b', '--fleet', '--no-image']);
  expect(code).toBe(2);
  expect(stderr).toContain('--fleet and --no-image exclude each other');
});

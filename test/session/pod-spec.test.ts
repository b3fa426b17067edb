import { describe, expect, test } from 'vitest';
import { jobSpec } from '../../src/session/job.ts';
import { type PodOptions, podName, podSpec } from '../../src/session/pod-spec.ts';

const DIGEST = `registry.example/gpu-mcp@sha256:${'0'.repeat(64)}`;

const nodes = {
  ubuntu: { name: 'gpu-1', osImage: 'Ubuntu 24.04.3 LTS', kubeletVersion: 'v1.37.2', labels: {} },
  'ubuntu with the GPU operator': {
    name: 'gpu-2',
    osImage: 'Ubuntu 24.04.3 LTS',
    kubeletVersion: 'v1.33.1',
    labels: { 'nvidia.com/gpu.deploy.driver': 'true', 'nvidia.com/gpu.present': 'true' },
  },
  'debian, old kubelet': {
    name: 'gpu-3',
    osImage: 'Debian GNU/Linux 12 (bookworm)',
    kubeletVersion: 'v1.29.4',
    labels: {},
  },
  'GKE on COS': {
    name: 'gke-pool-1',
    osImage: 'Container-Optimized OS from Google',
    kubeletVersion: 'v1.33.2-gke.1',
    labels: { 'cloud.google.com/gke-accelerator': 'nvidia-h100' },
  },
  k0s: { name: 'k0s-1', osImage: 'Rocky Linux 9.4', kubeletVersion: 'v1.33.2+k0s', labels: {} },
  talos: { name: 'talos-1', osImage: 'Talos (v1.11.0)', kubeletVersion: 'v1.34.0', labels: {} },
};

const options = (node: PodOptions['node'], more: Partial<PodOptions> = {}): PodOptions => ({
  name: podName(node.name, 'x7k2p'),
  namespace: 'gpu-mcp',
  node,
  image: DIGEST,
  session: 'x7k2p',
  nowMs: Date.UTC(2026, 7, 20, 3, 11),
  ...more,
});

const mounted = (node: PodOptions['node'], more: Partial<PodOptions> = {}): PodOptions =>
  options(node, { profile: 'mounted', ...more });

test('the whole pod, as an admin reads it', () => {
  expect(podSpec(options(nodes.ubuntu, { user: 'alice@example.com' }))).toMatchSnapshot();
});

test('the whole Job around it, less the pod', () => {
  const job = jobSpec(options(nodes.ubuntu));
  const { template, ...spec } = job.spec ?? { template: {} };
  expect([job.apiVersion, job.kind]).toEqual(['batch/v1', 'Job']);
  expect(template.spec).toEqual(podSpec(options(nodes.ubuntu)).spec);
  expect(template.metadata).toEqual({
    labels: job.metadata?.labels,
    annotations: job.metadata?.annotations,
  });
  expect(spec).toMatchSnapshot();
});

test.each(Object.entries(nodes))('what is mounted on %s', (_name, node) => {
  const spec = podSpec(mounted(node)).spec;
  const mounts = spec?.volumes?.flatMap(({ name, hostPath }) => {
    const mount = spec.containers[0]?.volumeMounts?.find(one => one.name === name);
    return hostPath
      ? [`${hostPath.path} -> ${mount?.mountPath} ${mount?.recursiveReadOnly ?? 'readOnly'}`]
      : [];
  });
  expect(mounts).toMatchSnapshot();
});

test('the whole pod with read-only mounts, less what it has without them', () => {
  const bare = podSpec(options(nodes.ubuntu)).spec;
  const { volumes, containers, ...spec } = podSpec(mounted(nodes.ubuntu)).spec ?? {
    containers: [],
  };
  expect({ ...spec, containers: bare?.containers }).toEqual(bare);
  const [container] = containers;
  const { volumeMounts, env, ...rest } = container ?? { name: '' };
  expect({ ...rest, env: bare?.containers[0]?.env }).toEqual(bare?.containers[0]);
  expect(env?.at(-1)).toEqual({ name: 'GPU_MCP_HOST_ROOT', value: '/host' });
  expect(volumes?.length).toBe(volumeMounts?.length);
});

describe.each(
  Object.entries(nodes).flatMap(([name, node]) => [
    [name, 'unmounted' as const, node] as const,
    [name, 'mounted' as const, node] as const,
    [name, 'restricted' as const, node] as const,
  ]),
)('rules on %s, %s', (_name, profile, node) => {
  const pod = podSpec(options(node, { profile }));
  const container = pod.spec?.containers[0];

  test('no credentials and no network of the node', () => {
    expect(pod.spec).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      hostNetwork: false,
      hostIPC: false,
    });
    expect(
      (pod.spec?.volumes ?? []).filter(
        volume => volume.projected || volume.secret || volume.configMap,
      ),
    ).toEqual([]);
  });

  test('no volume unless mounts are asked for: the kubelet takes 0.3 s for the first', () => {
    expect(pod.spec?.volumes !== undefined).toBe(profile === 'mounted');
    expect(container?.volumeMounts !== undefined).toBe(profile === 'mounted');
    expect(container?.securityContext?.readOnlyRootFilesystem).toBe(true);
  });

  test('every host directory has a type, is read-only, and is none that gives the node away', () => {
    for (const { name, hostPath } of pod.spec?.volumes?.filter(volume => volume.hostPath) ?? []) {
      expect(hostPath?.type, name).toBe('Directory');
      expect(hostPath?.path).not.toMatch(
        /^\/(?:run|etc|dev|proc|sys|root|home|var|var\/lib|var\/run|boot)?\/?$/,
      );
      expect(hostPath?.path).not.toMatch(
        /^\/var\/lib\/(?:kubelet|k0s|containerd|docker|etcd)(?:\/kubelet)?$/,
      );
      const mount = container?.volumeMounts?.find(one => one.name === name);
      expect(mount?.readOnly, name).toBe(true);
      expect(mount?.mountPath, name).toMatch(/^\/host\//);
    }
  });

  test('it ends by itself: when the stream drops, and at its deadline', () => {
    expect(container).toMatchObject({ stdin: true, stdinOnce: true, tty: false });
    expect(pod.spec).toMatchObject({
      activeDeadlineSeconds: 3_600,
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
    });
    expect(container?.terminationMessagePath).toMatch(/^\/tmp\//);
  });
});

describe('--profile restricted', () => {
  const container = (more: Partial<PodOptions> = {}) =>
    podSpec(options(nodes.ubuntu, { profile: 'restricted', ...more })).spec?.containers[0];

  test('the whole of what differs from a privileged pod', () => {
    const { containers, ...spec } =
      podSpec(options(nodes.ubuntu, { profile: 'restricted', runtimeClassName: 'nvidia' })).spec ??
      {};
    const usual = podSpec(options(nodes.ubuntu)).spec;
    expect(spec).toEqual({
      ...usual,
      containers: undefined,
      hostPID: false,
      runtimeClassName: 'nvidia',
    });
    const [own] = containers ?? [];
    expect({ ...own, env: [], securityContext: {} }).toEqual({
      ...usual?.containers[0],
      ...{ env: [], securityContext: {} },
    });
    expect([own?.env, own?.securityContext]).toMatchInlineSnapshot(`
      [
        [
          {
            "name": "GPU_MCP_NODE",
            "value": "gpu-1",
          },
          {
            "name": "GPU_MCP_SESSION",
            "value": "x7k2p",
          },
          {
            "name": "GPU_MCP_HOST_ROOT",
            "value": "/",
          },
          {
            "name": "GPU_MCP_PROFILE",
            "value": "restricted",
          },
          {
            "name": "NVIDIA_VISIBLE_DEVICES",
            "value": "all",
          },
          {
            "name": "NVIDIA_DRIVER_CAPABILITIES",
            "value": "utility",
          },
        ],
        {
          "allowPrivilegeEscalation": false,
          "capabilities": {
            "add": [
              "SYSLOG",
            ],
            "drop": [
              "ALL",
            ],
          },
          "readOnlyRootFilesystem": true,
          "runAsUser": 0,
          "seccompProfile": {
            "type": "RuntimeDefault",
          },
        },
      ]
    `);
  });

  test('it asks the scheduler for no GPU', () => {
    expect(Object.keys(container()?.resources?.limits ?? {})).toEqual(['cpu', 'memory']);
  });

  test('without CAP_SYSLOG it is nobody, as Pod Security "restricted" wants it', () => {
    expect(container({ syslog: false })?.securityContext).toEqual({
      ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
      ...{ runAsUser: 65_532, runAsNonRoot: true },
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    });
  });

  test('no other profile has what is its own', () => {
    const pod = podSpec(options(nodes.ubuntu, { runtimeClassName: 'nvidia', syslog: false }));
    expect(pod).toEqual(podSpec(options(nodes.ubuntu)));
  });
});

test('what is mounted where: every volume has its mount, and names are the rules’ own', () => {
  const labels = { 'nvidia.com/gpu.deploy.driver': 'true' };
  const all = { ...nodes['GKE on COS'], osImage: 'Debian GNU/Linux 12', labels };
  const gke = { ...all, labels: { ...labels, 'cloud.google.com/gke-accelerator': 'nvidia-h100' } };
  const spec = podSpec(mounted(gke)).spec;
  expect(spec?.volumes?.map(({ name, hostPath }) => [name, hostPath?.path])).toEqual([
    ['usr', '/usr'],
    ['var-log', '/var/log'],
    ['run-log', '/run/log'],
    ['run-nvidia', '/run/nvidia'],
    ['gke-nvidia', '/home/kubernetes/bin/nvidia'],
    ['alternatives', '/etc/alternatives'],
    ['pod-resources', '/var/lib/kubelet/pod-resources'],
  ]);
  expect(spec?.containers[0]?.volumeMounts?.map(({ name }) => name)).toEqual(
    spec?.volumes?.map(({ name }) => name),
  );
  const cos = podSpec(mounted({ ...nodes['GKE on COS'], labels: {} })).spec;
  expect(cos?.volumes?.map(({ name }) => name)).toContain('gke-nvidia');
});

test.each([
  ['v1.30.9', false],
  ['v1.31.0', true],
  ['v1.100.1', true],
  ['v2.0.0', true],
  ['v10.2.1', true],
  ['v0.99.0', false],
  ['unknown', false],
  ['fork-v1.37.2', false],
])('kubelet %s takes recursive read-only mounts: %s', (kubeletVersion, recursive) => {
  const spec = podSpec(mounted({ ...nodes.ubuntu, kubeletVersion })).spec;
  const mount = spec?.containers[0]?.volumeMounts?.find(({ name }) => name === 'usr');
  expect(mount?.recursiveReadOnly !== undefined).toBe(recursive);
});

test('what a node was found to lack is not mounted again', () => {
  const pod = podSpec(mounted(nodes.ubuntu, { lackingMounts: ['/run/log'] }));
  expect(JSON.stringify(pod)).not.toContain('/run/log');
});

test('choices of the user are taken over, our marks stay', () => {
  const pod = podSpec(
    options(nodes.ubuntu, {
      labels: { team: 'gpu', 'app.kubernetes.io/managed-by': 'me' },
      annotations: { reason: 'INC-1234' },
      imagePullSecrets: ['pull'],
      priorityClassName: 'system-node-critical',
      serviceAccountName: 'debugger',
      agentArguments: ['--driver-root', '/run/nvidia/driver'],
    }),
  );
  expect(pod.metadata?.labels).toMatchObject({
    team: 'gpu',
    'app.kubernetes.io/managed-by': 'kubectl-gpu-mcp',
  });
  expect(pod.metadata?.annotations).toMatchObject({ reason: 'INC-1234' });
  expect(pod.spec).toMatchObject({
    imagePullSecrets: [{ name: 'pull' }],
    priorityClassName: 'system-node-critical',
    serviceAccountName: 'debugger',
    containers: [{ args: ['--driver-root', '/run/nvidia/driver'] }],
  });
});

test.each(['gpu-mcp', 'registry.example:5000/gpu-mcp', ''])('the image "%s" is refused', image => {
  const refused = () => podSpec(options(nodes.ubuntu, { image }));
  expect(refused).toThrow('has neither a tag nor a digest');
  expect(refused).toThrow(
    expect.objectContaining({
      hint: 'name what is to run as root on the node: --image REPOSITORY@sha256:... or REPOSITORY:VERSION',
    }),
  );
});

test.each([
  ['registry.example:5000/gpu-mcp:0.1.0', 'IfNotPresent'],
  ['localhost/gpu-mcp:latest', 'Always'],
  [DIGEST, 'IfNotPresent'],
  [`registry.example/gpu-mcp:latest@sha256:${'a'.repeat(64)}`, 'IfNotPresent'],
])('the image %s is pulled %s', (image, policy) => {
  expect(podSpec(options(nodes.ubuntu, { image })).spec?.containers[0]?.imagePullPolicy).toBe(
    policy,
  );
});

test.each([
  [
    'ip-10-0-1-5.eu-central-1.compute.internal',
    'gpu-mcp-ip-10-0-1-5-eu-central-1-compute-interna-x7k2p',
  ],
  ['GPU_Node', 'gpu-mcp-gpu-node-x7k2p'],
  ['--a..b--', 'gpu-mcp-a-b-x7k2p'],
  ['___', 'gpu-mcp-x7k2p'],
  ['a'.repeat(253), `gpu-mcp-${'a'.repeat(40)}-x7k2p`],
])('the pod for node %s is called %s', (node, name) => {
  expect(podName(node, 'x7k2p')).toBe(name);
});

test('what the agent is started for stands in its environment, where it is short', () => {
  const told = (firstQuestion: PodOptions['firstQuestion']) =>
    podSpec(options(nodes.ubuntu, { firstQuestion })).spec?.containers[0]?.env?.find(
      ({ name }) => name === 'GPU_MCP_FIRST_QUESTION',
    )?.value;
  const question = { tool: 'explain_failure', input: { pod: 'team-a/train-0' } };
  expect(told(question)).toBe('{"tool":"explain_failure","input":{"pod":"team-a/train-0"}}');
  expect(told(undefined)).toBeUndefined();
  expect(told({ ...question, input: { pod: 'x'.repeat(2_000) } })).toBeUndefined();
  expect(told({ ...question, input: { pod: '$(GPU_MCP_NODE)' } })).toBeUndefined();
});

test('the whole of what differs where the agent is sent to an image of the node', () => {
  const carried = {
    ...{ file: 'x', digest: 'sha256:1', architecture: 'amd64' },
    layers: [{ digest: 'sha256:ab', bytes: 5, at: 512 }],
    entrypoint: ['/usr/bin/node', '--flag', '/app/agent.mjs'],
  };
  const more = { image: 'localhost/busybox:1', agentArguments: ['--driver-root', '/d'] };
  const { containers: [plain] = [], ...rest } = podSpec(options(nodes.ubuntu, more)).spec ?? {
    containers: [],
  };
  const spec = podSpec(options(nodes.ubuntu, { ...more, carried })).spec;
  const { containers: [container] = [], ...same } = spec ?? { containers: [] };
  expect(same).toEqual(rest);
  const { command = [], ...other } = container ?? { name: '' };
  expect(other).toEqual({
    ...plain,
    imagePullPolicy: 'Never',
    args: [
      ...['5', 'ab', '--', '/tmp/gpu-mcp/usr/bin/node', '--flag', '/tmp/gpu-mcp/app/agent.mjs'],
      ...['--driver-root', '/d'],
    ],
    workingDir: '/',
    env: [...(plain?.env ?? []), { name: 'NVIDIA_VISIBLE_DEVICES', value: 'void' }],
    securityContext: { ...plain?.securityContext, readOnlyRootFilesystem: false },
  });
  expect(command.join('\n')).toMatchSnapshot();
  // What the kubelet would put something in for, or take a character of.
  expect(command.join('').replaceAll('$$', '')).not.toContain('$(');
});

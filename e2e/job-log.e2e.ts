import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import * as z from 'zod';
import { kubectl, leftAfterTenSeconds, made, withImage } from './plugin.ts';

const LABELS = { 'jobset.sigs.k8s.io/jobset-name': 'train' };

/** A pod that writes these lines and ends so; the agent's image has the only program there is. */
const podOf = (name: string, node: string, lines: readonly string[], exitCode: number) => ({
  ...{ apiVersion: 'v1', kind: 'Pod' },
  metadata: { name, labels: LABELS },
  spec: {
    ...{ nodeName: node, restartPolicy: 'Never', terminationGracePeriodSeconds: 0 },
    containers: [
      {
        ...{ name: 'train', image: inject('image'), imagePullPolicy: 'Never' },
        command: ['node', '-e', `console.log(process.argv[1]);process.exitCode=${exitCode}`],
        args: [lines.join('\n')],
      },
    ],
  },
});

const FIRST = 'train-0-1';
const SECOND = 'train-0-0';
const STACK = 'nvidia-device-plugin-daemonset-e2e';

beforeAll(async () => {
  const began = podOf(
    FIRST,
    'node-b',
    [
      '[rank4]: Traceback (most recent call last):',
      '[rank4]:   File "/train.py", line 9, in collate',
      '[rank4]: ValueError: sample 7 has 4097 tokens',
    ],
    1,
  );
  await made(began);
  const followed =
    '[rank0]: torch.distributed.DistBackendError: NCCL error: remote process exited or there was a network error';
  await made(podOf(SECOND, 'node-a', [followed], 1));
  await made({
    ...podOf(STACK, 'node-a', [], 0),
    metadata: { name: STACK, labels: { app: 'nvidia-device-plugin-daemonset' } },
    spec: {
      ...{ nodeName: 'node-a', terminationGracePeriodSeconds: 0 },
      containers: [{ name: 'plugin', image: 'localhost/not-there:1', imagePullPolicy: 'Never' }],
    },
  });
  for (const name of [FIRST, SECOND]) {
    await until(name, '{.status.phase}', 'Failed');
  }
  await until(STACK, '{.status.containerStatuses[0].state.waiting.reason}', 'ErrImageNeverPull');
});

const DRIVER = 'nvidia-driver-daemonset-e2e';

afterAll(async () => {
  await kubectl(['delete', 'pod', FIRST, SECOND, STACK, DRIVER, '--ignore-not-found', '--force']);
  await kubectl(['delete', 'resourceslice', 'e2e-gpus', '--ignore-not-found']);
});

const until = (pod: string, path: string, wanted: string): Promise<void> =>
  shown(['get', 'pod', pod], path, new RegExp(`^${wanted}$`));

async function shown(get: readonly string[], path: string, wanted: RegExp): Promise<void> {
  for (const endMs = Date.now() + 60_000; ; ) {
    const { stdout } = await kubectl([...get, '-o', `jsonpath=${path}`]);
    if (wanted.test(stdout)) return;
    if (Date.now() > endMs) throw new Error(`${path} is "${stdout}", not ${wanted}`);
    await new Promise(resolve => setTimeout(resolve, 250));
  }
}

const answer = async (...args: string[]): Promise<unknown> => {
  const ran = await kubectl(withImage('call', ...args, '-q', '-o', 'json'));
  expect(ran.stderr).toBe('');
  return JSON.parse(ran.stdout);
};

test('the log of a pod that only followed leads to the pod and the node where it began', async () => {
  expect(await answer('node-a', 'explain_failure', '--pod', SECOND)).toMatchObject({
    ...{ fault: 'application', confidence: 'medium' },
    advice: `It began in pod ${FIRST}: ask node node-b with explain_failure for that pod.`,
    log: {
      ...{ container: 'train', previous: false, requests: 1, cut: false },
      entries: [{ role: 'consequence' }],
    },
    job: { name: 'JobSet/train', pods: 2, failed: 2, peers: [{ pod: FIRST, node: 'node-b' }] },
  });
  expect(await answer('node-b', 'explain_failure', '--pod', FIRST)).toMatchObject({
    fault: 'application',
    log: { entries: [{ role: 'cause', title: 'Exception ValueError', ranks: [4] }] },
  });
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('--no-pod-logs reads none', async () => {
  const facts = await answer('node-a', 'explain_failure', '--no-pod-logs', '--pod', SECOND);
  expect(facts).not.toHaveProperty('log');
  expect(facts).not.toHaveProperty('job');
});

test('a part of the GPU stack that cannot start, and a device that DRA keeps back, are findings', async () => {
  await made({
    ...{ apiVersion: 'resource.k8s.io/v1', kind: 'ResourceSlice' },
    metadata: { name: 'e2e-gpus' },
    spec: {
      ...{ driver: 'gpu.nvidia.com', nodeName: 'node-a' },
      pool: { name: 'node-a', generation: 1, resourceSliceCount: 1 },
      devices: [
        {
          name: 'gpu-3',
          taints: [{ key: 'gpu.nvidia.com/xid', value: '79', effect: 'NoSchedule' }],
        },
      ],
    },
  });
  expect(await answer('node-a', 'triage_gpu_node')).toMatchObject({
    findings: expect.arrayContaining([
      expect.objectContaining({
        // A bare pod: nobody shows whose it is.
        title: 'A pod that calls itself the device plugin of the node is stuck',
      }),
      expect.objectContaining({
        title: 'DRA keeps gpu-3 from pods: gpu.nvidia.com/xid=79',
      }),
    ]),
  });
});

const NAMESPACE = 'gpu-operator';
/** As the driver container prints it where its repositories have no headers of the kernel. */
const FAILED_BUILD = [
  'Creating directory NVIDIA-Linux-x86_64-550.90.07',
  'Installing Linux kernel headers...',
  'E: Unable to locate package linux-headers-5.15.0-1045-aws',
  'Stopping NVIDIA persistence daemon...',
  'Unloading NVIDIA driver kernel modules...',
  'Unmounting NVIDIA driver rootfs...',
];
/** Ends at once; where it finds that it did so before, it goes on and is never ready. */
const ONCE = `const{writeFileSync}=require('fs');
try{writeFileSync('/state/ran','',{flag:'wx'});console.log(process.argv[1]);process.exitCode=1}
catch{console.log('starts');setInterval(()=>{},1e6)}`;

/** A stand-in of GPU Operator's driver on node-b: its DaemonSet, or where none may be so a bare pod. */
function standIn(
  own: object,
  { isBare, ...spec }: { readonly isBare?: true; readonly volumes?: readonly object[] },
) {
  const { metadata, spec: plain } = podOf(DRIVER, 'node-b', FAILED_BUILD, 1);
  const { nodeName, terminationGracePeriodSeconds, containers } = plain;
  const [train] = containers;
  const driver = { ...train, name: 'nvidia-driver-ctr', ...own };
  const beside = { ...train, name: 'beside', command: ['node', '-e', 'setInterval(()=>{},1e6)'] };
  const labels = { app: 'nvidia-driver-daemonset' };
  const named = { ...metadata, namespace: NAMESPACE, labels };
  const pod = { terminationGracePeriodSeconds, ...spec };
  if (isBare) {
    return {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: named },
      spec: { ...pod, nodeName, restartPolicy: 'Never', containers: [driver, beside] },
    };
  }
  const nodeSelector = { 'kubernetes.io/hostname': nodeName };
  const tolerations = [{ operator: 'Exists' }];
  return {
    ...{ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: named },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { ...pod, nodeSelector, tolerations, containers: [driver] },
      },
    },
  };
}

/** Binds the first of these pods to its node, as a scheduler does: this cluster has none. */
async function scheduled(pods: readonly string[]): Promise<void> {
  await shown(pods, '{.items[0].metadata.name}', /./);
  const { stdout: name } = await kubectl([...pods, '-o', 'jsonpath={.items[0].metadata.name}']);
  const path = `/api/v1/namespaces/${NAMESPACE}/pods/${name}/binding`;
  const target = { apiVersion: 'v1', kind: 'Node', name: 'node-b' };
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name }, target };
  const ran = await kubectl(['create', '--raw', path, '-f', '-'], {
    input: JSON.stringify(binding),
  });
  expect(ran.code, ran.stderr).toBe(0);
}

describe('the driver of GPU Operator whose build fails', () => {
  beforeAll(async () => {
    await kubectl(['create', 'namespace', NAMESPACE]);
  });
  afterAll(async () => {
    await kubectl(['delete', 'namespace', NAMESPACE]);
    const { stdout } = await kubectl(['get', 'namespaces', '-o', 'name']);
    expect(stdout).not.toContain(NAMESPACE);
  });

  describe.each([
    // It goes on meanwhile: any run that has ended may be the one that is read.
    ['ends again and again', 'waiting.reason', /^CrashLoopBackOff$/, {}, {}, '(?: --previous)?'],
    [
      'has ended and runs again',
      'running.startedAt',
      /./,
      {
        command: ['node', '-e', ONCE],
        volumeMounts: [{ name: 'state', mountPath: '/state' }],
        readinessProbe: { tcpSocket: { port: 1 } },
      },
      { volumes: [{ name: 'state', emptyDir: {} }] },
      ' --previous',
    ],
    // What holds that state: nothing is started again, and beside it the pod goes on.
    [
      'has ended, and its next run is not told yet',
      'terminated.exitCode',
      /^1$/,
      {},
      { isBare: true },
      '',
    ],
  ] as const)('and %s', (_, state, wanted, own, spec, run) => {
    const title = 'The driver of the node is stuck: no headers of the node’s kernel are found';
    beforeAll(async () => {
      await made(standIn(own, spec));
      const status = '.items[0].status.containerStatuses[?(@.name=="nvidia-driver-ctr")]';
      const pods = ['get', 'pods', '-n', NAMESPACE, '-l', 'app=nvidia-driver-daemonset'];
      if (!('isBare' in spec)) {
        await scheduled(pods);
        await shown(pods, `{${status}.restartCount}`, /[1-9]/);
      }
      await shown(pods, `{${status}.state.${state}}`, wanted);
    });
    afterAll(async () => {
      await kubectl(['delete', 'daemonset,pod', '-n', NAMESPACE, '--all', '--force', '--wait']);
    });

    test('is told with its cause, its line and its step', async () => {
      const quoted = expect.objectContaining({
        what: 'its log says: "E: Unable to locate package linux-headers-5.15.0-1045-aws"',
        command: expect.stringMatching(
          new RegExp(`logs -n ${NAMESPACE} ${DRIVER}\\S* -c nvidia-driver-ctr${run}$`),
        ),
      });
      const facts = z.looseObject({
        findings: z.array(z.looseObject({ id: z.string(), title: z.string() })),
      });
      const { findings } = facts.parse(await answer('node-b', 'triage_gpu_node'));
      // The cluster may have more to say of a node that other tests have been at.
      expect(findings.find(({ id }) => id === 'gpu-stack-stuck')).toMatchObject({
        ...{ title, severity: 'warning', confidence: 'high', action: 'fix_configuration' },
        advice: expect.stringMatching(/^Offer the headers of the running kernel/),
        evidence: expect.arrayContaining([quoted]),
      });
    });

    test('--no-pod-logs reads no log: it is stuck, for what is not known', async () => {
      const unread = await answer('node-b', 'triage_gpu_node', '--no-pod-logs');
      expect(unread).toMatchObject({
        findings: expect.arrayContaining([
          expect.objectContaining({
            title: expect.stringMatching(
              /^The driver of the node is stuck: container nvidia-driver-ctr .*exit code 1/,
            ),
          }),
        ]),
      });
      expect(JSON.stringify(unread)).not.toContain('its log says');
    });
  });
});

describe('parts of the GPU stack that wait', () => {
  const WAITS = { command: ['node', '-e', 'setInterval(()=>{},1e6)'] };
  /** As Network Operator's init container prints it where a module of storage holds the driver that is loaded. */
  const HELD =
    'ERROR storage-over-RDMA module blocking MOFED driver reload {"dependents": "nvme_rdma"}';
  const FAILS = { command: ['node', '-e', `console.log('${HELD}');process.exitCode=1`] };
  /** In a namespace of a platform, which shows whose it is. */
  const partOf = (name: string, init: object, spec: object = {}) => {
    const { metadata, spec: plain } = podOf(`${name}-e2e`, 'node-b', [], 0);
    const { restartPolicy: _, containers, ...rest } = plain;
    const [main] = containers;
    return {
      ...{ apiVersion: 'v1', kind: 'Pod' },
      metadata: { ...metadata, namespace: NAMESPACE, labels: { app: name } },
      spec: {
        ...{ ...rest, ...spec, containers: [{ ...main, ...WAITS, name: 'main' }] },
        initContainers: [{ ...main, ...init }],
      },
    };
  };
  const CLASS = {
    ...{ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name: 'nvidia-e2e' } },
    handler: 'nvidia-cdi', // The runtime of this cluster has one called nvidia.
  };
  const stuck = async () => {
    const { findings } = z
      .looseObject({ findings: z.array(z.looseObject({ id: z.string() })) })
      .parse(await answer('node-b', 'triage_gpu_node'));
    return findings.find(({ id }) => id === 'gpu-stack-stuck');
  };
  beforeAll(async () => {
    await kubectl(['create', 'namespace', NAMESPACE]);
    await made(CLASS);
    await made(
      partOf(
        'nvidia-device-plugin-daemonset',
        { name: 'toolkit-validation' },
        {
          runtimeClassName: CLASS.metadata.name,
        },
      ),
    );
    await made(
      partOf('nvidia-container-toolkit-daemonset', { ...WAITS, name: 'driver-validation' }),
    );
    await made(partOf('nvidia-driver-daemonset', { ...WAITS, name: 'mofed-validation' }));
    await made(
      partOf('mofed-ubuntu22.04-6d9c8b9f7c', { ...FAILS, name: 'network-operator-init-container' }),
    );
    const mofed = ['get', 'pods', '-n', NAMESPACE, '-l', 'app=mofed-ubuntu22.04-6d9c8b9f7c'];
    const status = '.items[0].status.initContainerStatuses[0]';
    await shown(mofed, `{${status}.state.waiting.reason}`, /^CrashLoopBackOff$/);
    const driver = ['get', 'pods', '-n', NAMESPACE, '-l', 'app=nvidia-driver-daemonset'];
    await shown(driver, `{${status}.state.running.startedAt}`, /./);
  });
  afterAll(async () => {
    await kubectl(['delete', 'pod', '-n', NAMESPACE, '--all', '--force', '--wait']);
    await kubectl(['delete', 'namespace', NAMESPACE]);
    await kubectl(['delete', 'runtimeclass', CLASS.metadata.name]);
  });

  test('are told by the network’s driver, for which they wait in the end', async () => {
    expect(await stuck()).toMatchObject({
      title:
        'The network operator of the node is stuck: the network’s driver that is loaded is in use and cannot be replaced',
      // Without the driver behind it pods get no GPU.
      ...{ severity: 'warning', confidence: 'high' },
      evidence: expect.arrayContaining([
        expect.objectContaining({ what: `its log says: "${HELD}"` }),
        expect.objectContaining({
          what: expect.stringMatching(/^wait behind it: driver, container toolkit/),
        }),
      ]),
    });
  });

  test('one of which nothing begins is told by the words of the runtime', async () => {
    const others = [
      'nvidia-container-toolkit-daemonset',
      'nvidia-driver-daemonset',
      'mofed-ubuntu22.04-6d9c8b9f7c',
    ];
    const names = others.map(name => `${name}-e2e`);
    await kubectl(['delete', 'pod', '-n', NAMESPACE, ...names, '--force', '--wait']);
    await expect
      .poll(async () => (await stuck())?.['title'], { timeout: 240_000, interval: 5_000 })
      .toBe('The device plugin of the node is stuck: the container runtime has no handler nvidia');
    expect(await stuck()).toMatchObject({
      ...{ severity: 'warning', confidence: 'high' },
      evidence: expect.arrayContaining([
        expect.objectContaining({
          what: expect.stringMatching(
            /^event FailedCreatePodSandBox: .*no runtime for "nvidia-cdi" is configured/,
          ),
          source: 'events of the pod',
        }),
      ]),
    });
  }, 300_000);
});

test('a bare pod of anybody that calls itself the driver is a claim, and its log is not read', async () => {
  const { spec, ...pod } = podOf(DRIVER, 'node-b', FAILED_BUILD, 1);
  const { restartPolicy: _, ...restarting } = spec;
  const metadata = { name: DRIVER, labels: { app: 'nvidia-driver-daemonset' } };
  await made({ ...pod, metadata, spec: restarting });
  await until(DRIVER, '{.status.containerStatuses[0].state.waiting.reason}', 'CrashLoopBackOff');
  const facts = await answer('node-b', 'triage_gpu_node');
  expect(facts).toMatchObject({
    findings: expect.arrayContaining([
      expect.objectContaining({
        title: 'A pod that calls itself the driver of the node is stuck',
        ...{ severity: 'info', confidence: 'low', action: 'watch' },
      }),
    ]),
  });
  expect(JSON.stringify(facts)).not.toContain('linux-headers');
});

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { kubectl, leftAfterTenSeconds, withImage } from './plugin.ts';

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

/** As the driver container of GPU Operator ends where its repositories have no headers of the kernel. */
const DRIVER = 'nvidia-driver-daemonset-e2e';

afterAll(async () => {
  await kubectl(['delete', 'pod', FIRST, SECOND, STACK, '--ignore-not-found', '--force']);
  await kubectl(['delete', 'resourceslice', 'e2e-gpus', '--ignore-not-found']);
});

async function made(object: object): Promise<void> {
  const ran = await kubectl(['create', '-f', '-'], { input: JSON.stringify(object) });
  expect(ran.code, ran.stderr).toBe(0);
}

async function until(pod: string, path: string, wanted: string | RegExp): Promise<void> {
  for (const endMs = Date.now() + 60_000; ; ) {
    const { stdout } = await kubectl(['get', 'pod', pod, '-o', `jsonpath=${path}`]);
    if (typeof wanted === 'string' ? stdout === wanted : wanted.test(stdout)) return;
    if (Date.now() > endMs) throw new Error(`${path} of ${pod} is "${stdout}", not ${wanted}`);
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

/** Ends at once; where it finds that it did so before, it goes on and is never ready. */
const ONCE = `const{writeFileSync}=require('fs');
try{writeFileSync('/state/ran','',{flag:'wx'});console.log(process.argv[1]);process.exitCode=1}
catch{console.log('starts');setInterval(()=>{},1e6)}`;

describe.each([
  // It goes on meanwhile: any run that has ended may be the one that is read.
  ['ends again and again', 'waiting.reason', 'CrashLoopBackOff', {}, {}, '(?: --previous)?'],
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
  [
    'has ended, and its next run is not told yet',
    'terminated.exitCode',
    '1',
    {},
    // What holds that state: nothing is started again, and beside it the pod goes on.
    { restartPolicy: 'Never' },
    '',
  ],
] as const)(
  'a bare pod that calls itself the driver and %s',
  (_, state, wanted, own, spec, run) => {
    beforeAll(async () => {
      const lines = [
        'Could not resolve Linux kernel version',
        'Unmounting NVIDIA driver rootfs...',
      ];
      const { spec: plain, ...pod } = podOf(DRIVER, 'node-b', lines, 1);
      const { containers, restartPolicy: __, ...bare } = plain;
      const [train] = containers;
      const beside = {
        ...train,
        name: 'beside',
        command: ['node', '-e', 'setInterval(()=>{},1e6)'],
      };
      await made({
        ...pod,
        metadata: { name: DRIVER, labels: { app: 'nvidia-driver-daemonset' } },
        spec: {
          ...{ ...bare, ...spec },
          containers: [{ ...train, ...own }, ...('restartPolicy' in spec ? [beside] : [])],
        },
      });
      const status = '{.status.containerStatuses[?(@.name=="train")]';
      if (!('restartPolicy' in spec)) await until(DRIVER, `${status}.restartCount}`, /[1-9]/);
      await until(DRIVER, `${status}.state.${state}}`, wanted);
    });
    afterAll(async () => {
      await kubectl(['delete', 'pod', DRIVER, '--ignore-not-found', '--force']);
    });

    const title = 'A pod that calls itself the driver of the node is stuck';

    test('is quoted by its log and names no cause', async () => {
      const said = expect.objectContaining({
        what: 'its log says: "Could not resolve Linux kernel version"',
        command: expect.stringMatching(new RegExp(`logs -n \\S+ ${DRIVER} -c train${run}$`)),
      });
      const evidence = expect.arrayContaining([said]);
      expect(await answer('node-b', 'triage_gpu_node')).toMatchObject({
        findings: expect.arrayContaining([expect.objectContaining({ title, evidence })]),
      });
    });

    test('--no-pod-logs asks for none', async () => {
      const unread = await answer('node-b', 'triage_gpu_node', '--no-pod-logs');
      expect(unread).toMatchObject({
        findings: expect.arrayContaining([expect.objectContaining({ title })]),
      });
      expect(JSON.stringify(unread)).not.toContain('its log says');
    });
  },
);

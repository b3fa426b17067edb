import { describe, expect, test } from 'vitest';
import { readTargetPod } from '../../src/cluster/ephemeral.ts';
import { POD_LIFE_SECONDS } from '../../src/contract/limits.ts';
import { ephemeralContainer, targetOf } from '../../src/session/ephemeral-container.ts';
import type { Json } from '../cluster/fake-api-server.ts';
import { ID, jobPod } from './fake-job-pod.ts';

const IMAGE = `example/gpu-mcp@sha256:${'0'.repeat(64)}`;

function made(json: Json, more: { readonly user?: string } = {}) {
  const pod = readTargetPod(json);
  const target = targetOf(pod, undefined);
  return ephemeralContainer({ image: IMAGE, pod, target, session: 's0', ...more });
}

test('the whole container, as an admin reads it', () => {
  expect(made(jobPod(), { user: 'ann' })).toMatchInlineSnapshot(`
    {
      "env": [
        {
          "name": "GPU_MCP_NODE",
          "value": "gpu-3",
        },
        {
          "name": "GPU_MCP_SESSION",
          "value": "s0",
        },
        {
          "name": "GPU_MCP_HOST_ROOT",
          "value": "/",
        },
        {
          "name": "GPU_MCP_PROFILE",
          "value": "ephemeral",
        },
        {
          "name": "GPU_MCP_POD_UID",
          "value": "uid-train",
        },
        {
          "name": "GPU_MCP_CONTAINER",
          "value": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        },
        {
          "name": "GPU_MCP_LIFE_SECONDS",
          "value": "3600",
        },
        {
          "name": "GPU_MCP_USER",
          "value": "ann",
        },
        {
          "name": "NVIDIA_VISIBLE_DEVICES",
          "value": "GPU-11111111-2222-4333-8444-555555555555",
        },
        {
          "name": "NVIDIA_DRIVER_CAPABILITIES",
          "value": "utility",
        },
      ],
      "image": "example/gpu-mcp@sha256:0000000000000000000000000000000000000000000000000000000000000000",
      "imagePullPolicy": "IfNotPresent",
      "name": "gpu-mcp-s0",
      "securityContext": {
        "allowPrivilegeEscalation": false,
        "capabilities": {
          "drop": [
            "ALL",
          ],
        },
        "readOnlyRootFilesystem": true,
        "runAsGroup": 2000,
        "runAsNonRoot": true,
        "runAsUser": 1000,
        "seccompProfile": {
          "type": "RuntimeDefault",
        },
      },
      "stdin": true,
      "stdinOnce": true,
      "targetContainerName": "train",
      "terminationMessagePath": "/tmp/termination-log",
      "terminationMessagePolicy": "FallbackToLogsOnError",
      "tty": false,
    }
  `);
});

test('the image is pinned as that of any pod of ours', () => {
  const pod = readTargetPod(jobPod());
  const of = (image: string) =>
    ephemeralContainer({ image, pod, target: targetOf(pod, undefined), session: 's0' });
  expect(of('example/gpu-mcp:latest').imagePullPolicy).toBe('Always');
  expect(() => of('example/gpu-mcp')).toThrow('has neither a tag nor a digest');
});

describe('it has the user and the capabilities of the container beside it, and never more', () => {
  const security = (spec: Json, ofContainer: Json, statusUser?: Json) =>
    made(
      jobPod({
        spec: {
          securityContext: spec,
          containers: [{ name: 'train', securityContext: ofContainer }],
        },
        status: {
          containerStatuses: [
            {
              ...{ name: 'train', containerID: `containerd://${ID}`, state: { running: {} } },
              ...(statusUser && { user: { linux: statusUser } }),
            },
          ],
        },
      }),
    ).securityContext;

  test.each<[string, Json, Json, Json | undefined, Json]>([
    ['its own user', { runAsUser: 5 }, { runAsUser: 7 }, { uid: 9 }, { runAsUser: 7 }],
    ['its pod’s', { runAsUser: 5, runAsGroup: 6 }, {}, { uid: 9 }, { runAsUser: 5, runAsGroup: 6 }],
    [
      'its image’s, as the runtime tells',
      {},
      {},
      { uid: 9, gid: 8 },
      { runAsUser: 9, runAsGroup: 8 },
    ],
    [
      'our image’s own where nobody tells',
      {},
      {},
      undefined,
      { runAsUser: 65_532, runAsNonRoot: true },
    ],
    [
      'root’s, with what root has',
      {},
      { runAsUser: 0 },
      undefined,
      { runAsUser: 0, capabilities: {} },
    ],
    [
      'root’s, with what it has left',
      {},
      { runAsUser: 0, capabilities: { drop: ['ALL'], add: ['CHOWN'] } },
      undefined,
      { capabilities: { drop: ['ALL'], add: ['CHOWN'] } },
    ],
    [
      'no capability that rules a node, though it has one',
      {},
      { runAsUser: 0, capabilities: { add: ['SYS_ADMIN', 'SYS_PTRACE', 'IPC_LOCK'] } },
      undefined,
      { capabilities: { add: ['IPC_LOCK'] } },
    ],
    [
      'the confinement of its own',
      {},
      { seLinuxOptions: { level: 's0:c1' }, appArmorProfile: { type: 'RuntimeDefault' } },
      undefined,
      { seLinuxOptions: { level: 's0:c1' }, appArmorProfile: { type: 'RuntimeDefault' } },
    ],
  ])('%s', (_what, spec, own, user, expected) => {
    expect(security(spec, own, user)).toMatchObject(expected);
  });

  test('a privileged container gives it no privilege', () => {
    const context = security({}, { privileged: true, runAsUser: 0 });
    expect(context).not.toHaveProperty('privileged');
    expect(context).toMatchObject({
      ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
      seccompProfile: { type: 'RuntimeDefault' },
    });
  });
});

describe('it is given the GPUs of the container beside it, and never all', () => {
  const GPU = 'GPU-aaaaaaaa-2222-4333-8444-555555555555';
  const MIG = 'MIG-bbbbbbbb-2222-4333-8444-555555555555';
  const visible = (allocated: readonly string[], written?: string) => {
    const resources = allocated.map(resourceID => ({ resourceID }));
    const env = written === undefined ? [] : [{ name: 'NVIDIA_VISIBLE_DEVICES', value: written }];
    const container = made(
      jobPod({
        spec: { containers: [{ name: 'train', env }] },
        status: {
          containerStatuses: [
            {
              ...{ name: 'train', containerID: `containerd://${ID}`, state: { running: {} } },
              allocatedResourcesStatus: [{ name: 'nvidia.com/gpu', resources }],
            },
          ],
        },
      }),
    );
    return container.env?.find(({ name }) => name === 'NVIDIA_VISIBLE_DEVICES')?.value;
  };

  test.each<[string, readonly string[], string | undefined, string]>([
    ['those that the kubelet allocated', [GPU, MIG], undefined, `${GPU},${MIG}`],
    ['a share of one', [`${GPU}::3`], undefined, GPU],
    ['those that it names itself', [], `${GPU},0`, GPU],
    ['what was allocated before what is written', [GPU], MIG, GPU],
    ['none where it has them all', [], 'all', 'void'],
    ['none where it names them by number', [], '0,1', 'void'],
    ['none where nobody tells', [], undefined, 'void'],
    ['none of what only looks like one', [`all,${GPU}`, 'GPU-1'], undefined, 'void'],
  ])('%s', (_what, allocated, written, expected) => {
    expect(visible(allocated, written)).toBe(expected);
  });
});

test('it lives no longer than a pod of ours', () => {
  const life = made(jobPod()).env?.find(({ name }) => name === 'GPU_MCP_LIFE_SECONDS');
  expect(life?.value).toBe(String(POD_LIFE_SECONDS));
});

describe('what cannot take a container is refused in a sentence', () => {
  const two = { containers: [{ name: 'train' }, { name: 'log' }] };
  const own = (name: string) => ({ name, env: [{ name: 'GPU_MCP_SESSION', value: 's' }] });
  const earlier = Array.from({ length: 20 }, (_, at) => own(`gpu-mcp-${at}`));
  test.each<[string, Parameters<typeof jobPod>[0], string | undefined, string, RegExp]>([
    [
      'ended',
      { status: { phase: 'Failed', reason: 'Evicted' } },
      undefined,
      'pod ml/train-0 has ended: Failed (Evicted)',
      /its node is read/,
    ],
    ...['nvidia.com/gpu', 'nvidia.com/mig-1g.10gb', 'ephemeral-storage', 'hugepages-2Mi'].map(
      (resource): [string, Parameters<typeof jobPod>[0], undefined, string, RegExp] => [
        `not let in for want of ${resource}`,
        { status: { phase: 'Failed', reason: `OutOf${resource}` } },
        undefined,
        `pod ml/train-0 has ended: Failed (OutOf${resource});`,
        /its node is read/,
      ],
    ),
    ...['OutOfacme.com/secret', 'OutOfnvidia.com/', 'OutOfcpu: do this', 'OutOfnvidia.com/a b'].map(
      (reason): [string, Parameters<typeof jobPod>[0], undefined, string, RegExp] => [
        `ended for what is no word of Kubernetes: ${reason}`,
        { status: { phase: 'Failed', reason } },
        undefined,
        'pod ml/train-0 has ended: Failed;',
        /its node is read/,
      ],
    ),
    [
      'goes',
      { metadata: { deletionTimestamp: '2026-08-20T03:00:00Z' } },
      undefined,
      'is being deleted',
      /its node is read/,
    ],
    [
      'static',
      { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } },
      undefined,
      'is a static pod',
      /its node is read/,
    ],
    ['windows', { spec: { os: { name: 'windows' } } }, undefined, 'runs Windows', /./],
    [
      'pending',
      { spec: { nodeName: '' }, status: { phase: 'Pending' } },
      undefined,
      'has no node yet: it is Pending',
      /kubectl describe pod train-0 -n ml/,
    ],
    [
      'several',
      { spec: two },
      undefined,
      'has several containers: train, log',
      /name one: -c train/,
    ],
    [
      'two of a name',
      { spec: { containers: [{ name: 'train' }, { name: 'train' }] } },
      'train',
      'has several containers "train"',
      /is it the right --context/,
    ],
    ['absent', {}, 'trian', 'has no container "trian"', /it has train: -c names one/],
    [
      'full',
      { spec: { ephemeralContainers: earlier } },
      undefined,
      'has 20 containers of earlier sessions',
      /they go with the pod/,
    ],
    [
      'not running',
      {
        status: {
          containerStatuses: [
            { name: 'train', state: { waiting: { reason: 'CrashLoopBackOff' } } },
          ],
        },
      },
      undefined,
      'container train of pod ml/train-0 does not run: it is waiting (CrashLoopBackOff)',
      /kubectl logs train-0 -n ml -c train --previous/,
    ],
    [
      'over',
      {
        status: {
          containerStatuses: [
            { name: 'train', state: { terminated: { reason: 'OOMKilled', exitCode: 137 } } },
          ],
        },
      },
      undefined,
      'does not run: it is terminated (OOMKilled, exit code 137)',
      /--previous/,
    ],
  ])('%s', (_name, more, wanted, words, hint) => {
    const refused = () => targetOf(readTargetPod(jobPod(more)), wanted);
    expect(refused).toThrow(words);
    expect(refused).toThrow(expect.objectContaining({ hint: expect.stringMatching(hint) }));
  });

  test('of several the one that is named is taken, and a sidecar too', () => {
    const spec = {
      ...two,
      initContainers: [{ name: 'proxy', restartPolicy: 'Always' }, { name: 'init' }],
    };
    const running = (name: string) => ({
      name,
      containerID: `containerd://${ID}`,
      state: { running: {} },
    });
    const pod = readTargetPod(
      jobPod({
        spec,
        status: {
          containerStatuses: [running('train'), running('log')],
          initContainerStatuses: [running('proxy')],
        },
      }),
    );
    expect(targetOf(pod, 'log').name).toBe('log');
    expect(targetOf(pod, 'proxy').name).toBe('proxy');
    expect(() => targetOf(pod, 'init')).toThrow('has no container "init"');
  });
});

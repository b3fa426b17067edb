import { describe, expect, test } from 'vitest';
import { readClusterPod } from '../../src/cluster/read-view.ts';
import { stackPods } from '../../src/cluster/stack-pods.ts';

const DRIVER = 'nvidia-driver-daemonset-b7hq2';
const TOOLKIT = 'nvidia-container-toolkit-daemonset-4x7k2';
const PLUGIN = 'nvidia-device-plugin-daemonset-9jk4m';

interface Owner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly controller?: boolean;
}
const DAEMON_SET: Owner = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  name: 'set',
  controller: true,
};
const NODE: Owner = { ...DAEMON_SET, apiVersion: 'v1', kind: 'Node', name: 'gpu-3' };

const pod = (namespace: string, name: string, owner?: Owner, spec: object = {}) => ({
  metadata: { namespace, name, ...(owner && { ownerReferences: [owner] }) },
  spec: { nodeName: 'gpu-3', containers: [{ name: 'main' }], ...spec },
});
const privileged = { name: 'main', securityContext: { privileged: true } };
const hostPath = (path: string) => ({ volumes: [{ name: 'x', hostPath: { path } }] });
/** As device plugins without a privilege mount them. */
const GIVEN = hostPath('/var/lib/kubelet/device-plugins');

/** `NAMESPACE/NAME` of those that are shown to be NVIDIA's software. */
const shown = (...pods: readonly object[]) =>
  stackPods(pods.map(json => ({ json, pod: readClusterPod(json) })))
    .filter(({ isClaim }) => !isClaim)
    .map(({ namespace, name }) => `${namespace}/${name}`);

describe('in a namespace of a platform the namespace shows it', () => {
  test.each<readonly [string, string, Owner | undefined]>([
    ['gpu-operator', DRIVER, DAEMON_SET],
    ['nvidia-gpu-operator', DRIVER, DAEMON_SET],
    ['kube-system', 'nvidia-gpu-device-plugin-small-cos-x', DAEMON_SET],
    ['kube-system', 'nvidia-driver-installer-gpu-3', NODE],
    ['nvidia-dra-driver-gpu', 'nvidia-dra-driver-gpu-kubelet-plugin-6wz4c', DAEMON_SET],
    [
      'nvidia-dra-driver-gpu',
      'nvidia-dra-driver-gpu-controller-7d9c-x',
      { ...DAEMON_SET, kind: 'ReplicaSet' },
    ],
    [
      'gpu-operator',
      'nvidia-cuda-validator-4kqzl',
      { ...DAEMON_SET, apiVersion: 'nvidia.com/v1', kind: 'ClusterPolicy' },
    ],
    ['gpu-operator', DRIVER, undefined],
  ])('%s: %s', (namespace, name, owner) => {
    expect(shown(pod(namespace, name, owner))).toEqual([`${namespace}/${name}`]);
  });
});

describe('in a namespace that no platform names', () => {
  test.each<readonly [string, object]>([
    ['it is privileged', { containers: [privileged] }],
    ['an init container is privileged', { initContainers: [privileged] }],
    ['it sees the processes of the host', { hostPID: true }],
    ...[
      ...['/', '/run/nvidia', '/run/nvidia/driver', '/var/run/nvidia/', '/run/mellanox/drivers'],
      ...['/var/run/cdi', '/var/lib/kubelet/device-plugins', '/var/lib/kubelet/plugins_registry'],
      ...['/var/lib/kubelet/pod-resources', '/home/kubernetes/bin/nvidia'],
      '/etc/kubernetes/node-feature-discovery/features.d',
    ].map(path => [`it has ${path} of the host`, hostPath(path)] as const),
  ])('a DaemonSet’s pod, also alone, shows itself where %s', (_, spec) => {
    expect(shown(pod('infra', PLUGIN, DAEMON_SET, spec))).toEqual([`infra/${PLUGIN}`]);
    expect(shown(pod('infra', PLUGIN, NODE, spec))).toEqual([`infra/${PLUGIN}`]);
  });

  test.each([
    ['a bare pod', undefined],
    ['that of a Deployment', { ...DAEMON_SET, kind: 'ReplicaSet' }],
    ['one whose DaemonSet does not control it', { ...DAEMON_SET, controller: false }],
    ['that of another API’s DaemonSet', { ...DAEMON_SET, apiVersion: 'example.com/v1' }],
    ['a static pod of another node', { ...NODE, name: 'gpu-4' }],
    ['that of another API’s Node', { ...NODE, apiVersion: 'example.com/v1' }],
  ])('%s is a claim, whatever it is given', (_, owner) => {
    expect(shown(pod('infra', DRIVER, owner, { containers: [privileged] }))).toEqual([]);
  });

  test.each([
    ['nothing', {}],
    ['another folder of the host', hostPath('/var/log')],
    ['a folder that only begins so', hostPath('/run/nvidia-tenant')],
    ['a network of the host', { hostNetwork: true, priorityClassName: 'system-node-critical' }],
    ['the runtime class', { runtimeClassName: 'nvidia' }],
    ['no privilege', { containers: [{ ...privileged, securityContext: { privileged: false } }] }],
  ])('DaemonSets’ pods that are given %s are claims, however many', (_, spec) => {
    const many = [DRIVER, TOOLKIT, PLUGIN].map(name => pod('tenant', name, DAEMON_SET, spec));
    expect(shown(...many)).toEqual([]);
    // And where the platform is, they take nothing from it.
    const real = pod('nvidia', PLUGIN, DAEMON_SET, GIVEN);
    expect(shown(...many, real)).toEqual([`nvidia/${PLUGIN}`]);
  });

  test('what is given nothing is shown by a DaemonSet’s pod beside it that is', () => {
    const imex = pod('infra', 'computedomain-daemon-x', DAEMON_SET);
    expect(shown(imex)).toEqual([]);
    expect(shown(imex, pod('infra', DRIVER, DAEMON_SET, GIVEN))).toHaveLength(2);
    expect(shown(imex, pod('other', DRIVER, DAEMON_SET, GIVEN))).toEqual([`other/${DRIVER}`]);
    // What is no DaemonSet's shows nobody, whatever it is given.
    expect(shown(imex, pod('infra', DRIVER, undefined, GIVEN))).toEqual([]);
    // A namespace of jobs beside an operator's: a bare pod stays what it is.
    const bare = pod('infra', 'nvidia-driver-x', undefined, GIVEN);
    expect(shown(bare, pod('infra', DRIVER, DAEMON_SET, GIVEN))).toEqual([`infra/${DRIVER}`]);
  });

  test('charts in a namespace each are all shown, beside a platform’s own', () => {
    const charts = ['nvidia', 'gpu', 'infra'].map((namespace, index) =>
      pod(namespace, [DRIVER, PLUGIN, TOOLKIT][index] ?? '', DAEMON_SET, GIVEN),
    );
    expect(shown(...charts, pod('gpu-operator', TOOLKIT, DAEMON_SET))).toHaveLength(4);
  });
});

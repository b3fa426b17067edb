import { expect, test } from 'vitest';
import { readClusterPod } from '../../src/cluster/read-view.ts';
import { stackPods } from '../../src/cluster/stack-pods.ts';

const DRIVER = 'nvidia-driver-daemonset-b7hq2';
const TOOLKIT = 'nvidia-container-toolkit-daemonset-4x7k2';
const PLUGIN = 'nvidia-device-plugin-daemonset-9jk4m';

interface Owner {
  readonly kind: string;
  readonly name: string;
  readonly controller?: boolean;
}
const DAEMON_SET: Owner = { kind: 'DaemonSet', name: 'set', controller: true };

const pod = (namespace: string, name: string, owner: Owner | undefined = DAEMON_SET) => ({
  metadata: { namespace, name, ...(owner.kind !== '' && { ownerReferences: [owner] }) },
  spec: { nodeName: 'gpu-3', containers: [{ name: 'main' }] },
});
const BARE = { kind: '', name: '' };

/** `NAMESPACE/NAME` of those that are shown to be NVIDIA's software. */
const shown = (...pods: readonly object[]) =>
  stackPods(pods.map(json => ({ json, pod: readClusterPod(json) })))
    .filter(({ isClaim }) => !isClaim)
    .map(({ namespace, name }) => `${namespace}/${name}`);

test.each([
  ['gpu-operator', DRIVER, DAEMON_SET],
  ['nvidia-gpu-operator', DRIVER, DAEMON_SET],
  ['kube-system', 'nvidia-gpu-device-plugin-small-cos-x', DAEMON_SET],
  ['kube-system', 'nvidia-driver-installer-gpu-3', { ...DAEMON_SET, kind: 'Node', name: 'gpu-3' }],
  ['nvidia-dra-driver-gpu', 'nvidia-dra-driver-gpu-kubelet-plugin-6wz4c', DAEMON_SET],
])('a pod of a platform, in %s: %s', (namespace, name, owner) => {
  expect(shown(pod(namespace, name, owner))).toEqual([`${namespace}/${name}`]);
});

test.each([
  ['a bare pod', BARE],
  ['that of a Deployment', { ...DAEMON_SET, kind: 'ReplicaSet' }],
  ['one whose DaemonSet does not control it', { ...DAEMON_SET, controller: false }],
  ['a static pod of another node', { ...DAEMON_SET, kind: 'Node', name: 'gpu-4' }],
])('%s is a claim, whatever its namespace', (_, owner) => {
  expect(shown(pod('gpu-operator', DRIVER, owner))).toEqual([]);
});

test('an operator in a namespace of its own choice is known by its parts', () => {
  const own = [pod('platform', DRIVER), pod('platform', TOOLKIT)];
  expect(shown(...own, pod('tenant', PLUGIN))).toEqual([
    `platform/${DRIVER}`,
    `platform/${TOOLKIT}`,
  ]);
});

test('one part alone, or as many as elsewhere, show nothing', () => {
  expect(shown(pod('platform', DRIVER))).toEqual([]);
  const two = (namespace: string) => [pod(namespace, DRIVER), pod(namespace, TOOLKIT)];
  expect(shown(...two('platform'), ...two('tenant'))).toEqual([]);
});

test('pods of one part are one, and those of no DaemonSet count for nothing', () => {
  expect(shown(pod('tenant', DRIVER), pod('tenant', 'nvidia-driver-daemonset-2'))).toEqual([]);
  expect(shown(pod('tenant', DRIVER), pod('tenant', TOOLKIT, BARE))).toEqual([]);
});

test('no namespace of others has more parts than a platform', () => {
  const many = [DRIVER, TOOLKIT, PLUGIN].map(name => pod('tenant', name));
  expect(shown(...many, pod('gpu-operator', TOOLKIT))).toEqual([`gpu-operator/${TOOLKIT}`]);
});

test('what nothing waits for shows no operator: it is often beside one, in a namespace of the system', () => {
  const own = [pod('platform', DRIVER), pod('platform', TOOLKIT)];
  expect(shown(...own, pod('kube-system', 'rdma-shared-dp-ds-x'))).toHaveLength(3);
});

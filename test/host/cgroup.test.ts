import { describe, expect, test } from 'vitest';
import { cgroupOwner, cgroupPath } from '../../src/host/process-owners.ts';

const UID = 'f6a1e4a0-3b1c-4a52-9f6e-0d8f2d3c7b11';
const SYSTEMD_UID = UID.replaceAll('-', '_');
const ID = '8c1f9f2e6a0b4d7c8c1f9f2e6a0b4d7c8c1f9f2e6a0b4d7c8c1f9f2e6a0b4d7c';
const STATIC = '3b1c4a529f6e0d8f2d3c7b11f6a1e4a0';

describe('a container of a pod', () => {
  test.each([
    [
      'v2, systemd, containerd',
      `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${SYSTEMD_UID}.slice/cri-containerd-${ID}.scope`,
      'containerd',
    ],
    [
      'v2, systemd, guaranteed',
      `0::/kubepods.slice/kubepods-pod${SYSTEMD_UID}.slice/cri-containerd-${ID}.scope`,
      'containerd',
    ],
    [
      'v2, systemd, CRI-O',
      `0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${SYSTEMD_UID}.slice/crio-${ID}.scope`,
      'cri-o',
    ],
    [
      'v2, systemd, CRI-O, a cgroup below the container',
      `0::/kubepods.slice/kubepods-pod${SYSTEMD_UID}.slice/crio-${ID}.scope/container`,
      'cri-o',
    ],
    [
      'v2, systemd, Docker',
      `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${SYSTEMD_UID}.slice/docker-${ID}.scope`,
      'docker',
    ],
    ['v2, cgroupfs', `0::/kubepods/burstable/pod${UID}/${ID}`, undefined],
    ['v2, cgroupfs, CRI-O', `0::/kubepods/burstable/pod${UID}/crio-${ID}`, 'cri-o'],
    [
      'v2, containerd’s other form',
      `0::/system.slice/containerd.service/kubepods-besteffort-pod${SYSTEMD_UID}.slice:cri-containerd:${ID}`,
      'containerd',
    ],
    [
      'v2, in a node that is a container',
      `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${SYSTEMD_UID}.slice/cri-containerd-${ID}.scope`,
      'containerd',
    ],
    [
      'v2, seen from another cgroup namespace',
      `0::/../../kubepods-burstable-pod${SYSTEMD_UID}.slice/cri-containerd-${ID}.scope`,
      'containerd',
    ],
    [
      'v1, cgroupfs',
      `12:devices:/kubepods/burstable/pod${UID}/${ID}\n1:name=systemd:/kubepods/burstable/pod${UID}/${ID}\n`,
      undefined,
    ],
    [
      'v1, systemd',
      `11:memory:/kubepods.slice/kubepods-pod${SYSTEMD_UID}.slice/docker-${ID}.scope\n`,
      'docker',
    ],
    ['hybrid', `0::/\n9:devices:/kubepods/pod${UID}/${ID}\n`, undefined],
  ])('%s', (_, text, runtime) => {
    expect(cgroupOwner(text)).toEqual({
      podUid: UID,
      containerId: ID,
      ...(runtime === undefined ? {} : { runtime }),
    });
  });

  test('the UID of a static pod has no dashes', () => {
    const text = `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${STATIC}.slice/cri-containerd-${ID}.scope`;
    expect(cgroupOwner(text)).toEqual({ podUid: STATIC, containerId: ID, runtime: 'containerd' });
  });

  test('of a pod within a pod the inner one counts', () => {
    const text = `0::/kubepods/pod11111111-2222-4333-8444-555555555555/${'a'.repeat(64)}/kubepods/pod${UID}/${ID}`;
    expect(cgroupOwner(text)).toMatchObject({ podUid: UID, containerId: ID });
  });
});

describe('no pod', () => {
  test.each([
    '0::/system.slice/nvidia-persistenced.service',
    '0::/user.slice/user-1000.slice/session-3.scope',
    `0::/system.slice/docker-${ID}.scope`,
    '0::/podman-123.scope',
    '0::/kubepods.slice',
    `0::/machine.slice/libpod-${ID}.scope`,
    '',
    'not a cgroup file',
  ])('%s', text => {
    expect(cgroupOwner(text)).toEqual({});
  });
});

test('the path that is shown is the one that names the pod', () => {
  expect(cgroupPath(`0::/\n9:devices:/kubepods/pod${UID}/${ID}\n`)).toBe(
    `/kubepods/pod${UID}/${ID}`,
  );
  expect(cgroupPath('0::/system.slice/a:b.service')).toBe('/system.slice/a:b.service');
  expect(cgroupPath('')).toBe('');
});

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { locateLibrary, openHostLibrary, realpathInRoot } from '../../src/nvml/library/library.ts';
import { temporaryFolder } from './children.ts';

let root = '';
beforeEach(() => {
  root = temporaryFolder();
});

function file(path: string, text = ''): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
function link(path: string, target: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(target, join(root, path));
}
const located = async (driverRoot?: string, arch = 'x64') =>
  (await locateLibrary({ hostRoot: root, driverRoot, arch })).found.map(({ onNode }) => onNode);

describe('the library of each platform', () => {
  test.each([
    ['Ubuntu', '/usr/lib/x86_64-linux-gnu', 'x64'],
    ['Ubuntu on Grace', '/usr/lib/aarch64-linux-gnu', 'arm64'],
    ['Debian', '/usr/lib/x86_64-linux-gnu/nvidia/current', 'x64'],
    ['RHEL', '/usr/lib64', 'x64'],
    ['GKE', '/home/kubernetes/bin/nvidia/lib64', 'x64'],
    ['Bottlerocket', '/x86_64-bottlerocket-linux-gnu/sys-root/usr/lib/nvidia/tesla', 'x64'],
    ['Talos', '/usr/local/lib', 'x64'],
    ['a CUDA image, and GKE’s pods', '/usr/local/nvidia/lib64', 'x64'],
    ['WSL2', '/usr/lib/wsl/drivers/nv_dispi.inf_amd64_1', 'x64'],
    ['the operator’s driver container', '/run/nvidia/driver/usr/lib/x86_64-linux-gnu', 'x64'],
  ])('%s: %s', async (_platform, directory, arch) => {
    file(`${directory}/libnvidia-ml.so.1`);
    expect(await located(undefined, arch)).toEqual([`${directory}/libnvidia-ml.so.1`]);
  });

  test('another architecture’s library is not looked at', async () => {
    file('/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.1');
    expect(await located()).toEqual([]);
  });
});

describe('which comes first', () => {
  const host = '/usr/lib64/libnvidia-ml.so.1';
  const operator = '/run/nvidia/driver/usr/lib64/libnvidia-ml.so.1';
  const own = '/opt/nvidia/driver/usr/lib64/libnvidia-ml.so.1';
  beforeEach(() => {
    for (const path of [host, operator, own]) file(path);
  });

  test('the operator’s driver container, then the host', async () => {
    expect(await located()).toEqual([operator, host]);
  });

  test.each([
    ['/opt/nvidia/driver', [own, operator, host]],
    ['/', [host, operator]],
    ['"/opt/nvidia/driver"', [own, operator, host]],
  ])('what the operator’s validator wrote: NVIDIA_DRIVER_ROOT=%s', async (told, expected) => {
    file(
      '/run/nvidia/validations/driver-ready',
      `IS_HOST_DRIVER=false\nNVIDIA_DRIVER_ROOT=${told}\nNVIDIA_DEV_ROOT=/\n`,
    );
    expect(await located()).toEqual(expected);
  });

  test('--driver-root, and nothing else', async () => {
    expect(await located('/opt/nvidia/driver')).toEqual([own]);
  });

  test('a --driver-root that is not there is looked into nowhere', async () => {
    const search = { hostRoot: root, driverRoot: '/opt/nowhere', arch: 'x64' };
    expect(await locateLibrary(search)).toEqual({ found: [], lookedAt: [] });
  });
});

describe('the cache of the node’s own loader', () => {
  const cache = (...paths: string[]) =>
    file('/etc/ld.so.cache', `glibc-ld.so.cache1.1\0\0\x01libc.so.6\0${paths.join('\0')}\0`);

  test('tells of a folder that no list has, after those that one has', async () => {
    file('/opt/vendor/libnvidia-ml.so.1');
    file('/usr/lib64/libnvidia-ml.so.1');
    cache('libnvidia-ml.so.1', '/lib64/libc.so.6', '/opt/vendor/libnvidia-ml.so.1');
    expect(await located()).toEqual([
      '/usr/lib64/libnvidia-ml.so.1',
      '/opt/vendor/libnvidia-ml.so.1',
    ]);
  });

  test('leads nowhere out of the node’s file system, and to nothing that is not there', async () => {
    cache('/../../../etc/libnvidia-ml.so.1', '/opt/gone/libnvidia-ml.so.1');
    expect(await located()).toEqual([]);
  });
});

describe('links', () => {
  test('an absolute one starts at the root again, not at ours', async () => {
    file('/etc/alternatives/nvidia/libnvidia-ml.so.570.124.06');
    link(
      '/etc/alternatives/glx--libnvidia-ml.so.1',
      '/etc/alternatives/nvidia/libnvidia-ml.so.570.124.06',
    );
    link('/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1', '/etc/alternatives/glx--libnvidia-ml.so.1');
    expect(await located()).toEqual(['/etc/alternatives/nvidia/libnvidia-ml.so.570.124.06']);
  });

  test('one inside a driver container stays inside it', async () => {
    file('/usr/lib64/libnvidia-ml.so.570.1');
    file('/run/nvidia/driver/usr/lib64/libnvidia-ml.so.570.2');
    link('/run/nvidia/driver/usr/lib64/libnvidia-ml.so.1', '/usr/lib64/libnvidia-ml.so.570.2');
    expect(await located()).toEqual(['/run/nvidia/driver/usr/lib64/libnvidia-ml.so.570.2']);
  });

  test('a linked folder is followed; two ways to one file are one file', async () => {
    file('/usr/lib64/libnvidia-ml.so.1');
    link('/lib64', 'usr/lib64');
    expect(await located()).toEqual(['/usr/lib64/libnvidia-ml.so.1']);
  });

  test('climbing ends at the root', async () => {
    file('/usr/lib64/real');
    link('/usr/lib64/libnvidia-ml.so.1', '../../../../../../usr/lib64/real');
    expect(await located()).toEqual(['/usr/lib64/real']);
  });

  test('a circle, a dangling one and a folder are no library', async () => {
    link('/usr/lib64/libnvidia-ml.so.1', '/usr/lib64/libnvidia-ml.so.1');
    link('/lib/x86_64-linux-gnu/libnvidia-ml.so.1', '/nowhere');
    file('/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1/file');
    expect(await located()).toEqual([]);
  });

  test('forty hops are followed, one more is not', async () => {
    file('/link0');
    for (let hop = 1; hop <= 41; hop++) link(`/link${hop}`, `link${hop - 1}`);
    expect(await realpathInRoot(root, '/link40')).toBe(join(root, 'link0'));
    expect(await realpathInRoot(root, '/link41')).toBeUndefined();
  });
});

describe('no library', () => {
  test('the reading names every folder that was looked at, and an absent root once', async () => {
    const { path, library } = await openHostLibrary({ hostRoot: root, arch: 'x64' });
    expect(library).toBeUndefined();
    expect(path).toMatchObject({ ok: false, reason: 'library_not_found' });
    expect(path.ok ? '' : path.detail).toBe(
      'no libnvidia-ml.so.1 in: /run/nvidia/driver, /usr/lib/x86_64-linux-gnu, ' +
        '/usr/lib/x86_64-linux-gnu/nvidia/current, /usr/lib64, /lib64, /lib/x86_64-linux-gnu, ' +
        '/home/kubernetes/bin/nvidia/lib64, /usr/lib/nvidia/tesla, ' +
        '/x86_64-bottlerocket-linux-gnu/sys-root/usr/lib/nvidia/tesla, /usr/local/lib, ' +
        '/usr/local/glibc/usr/lib, /usr/local/glibc/lib, /usr/lib/wsl/lib, /usr/local/nvidia/lib64',
    );
  });

  test('a file that is none is told in the loader’s words, and the next one is tried', async () => {
    file('/run/nvidia/driver/usr/lib64/libnvidia-ml.so.1', 'no ELF file at all, but long enough');
    const { path } = await openHostLibrary({ hostRoot: root, arch: 'x64' });
    expect(path).toMatchObject({
      ok: false,
      reason: 'library_not_found',
      detail: expect.stringMatching(/invalid ELF header|file too short/),
    });
  });
});

test('a root that cannot be entered is said, and what helps', async () => {
  const opened = await openHostLibrary({ hostRoot: '/nowhere/proc/1/root', arch: 'x64' });
  expect(opened.path).toMatchObject({
    reason: 'library_not_found',
    detail: expect.stringMatching(
      /^the node's files cannot be reached \(.*ENOENT.*\); --profile mounted mounts them$/,
    ),
  });
});

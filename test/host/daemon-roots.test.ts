import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { known, missing, present, type Reading } from '../../src/contract/reading.ts';
import { NodeFiles } from '../../src/host/files.ts';
import type { Daemon } from '../../src/host/port.ts';
import { openRoot } from '../../src/host/root.ts';
import { CDI_DIRECTORIES, CHECKPOINTS, RUNTIME_FILES } from '../../src/node-root/allowed.ts';
import { type Files, type Links, PATIENCE_MS, tree } from './tree.ts';

const KUBELET = 21;
const RUNTIME = 22;
const CHECKPOINT = '/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint';
const CONFIG = '/etc/containerd/config.toml';
const SECRET = 'a secret of the node';
const NOT_MOUNTED = missing('not_read', 'this part of the node is not mounted into the pod');
const LED_AWAY = missing('not_read', 'a link leads to what is not to be read');

const daemon = (kind: Daemon['kind'], pid: number, over: Partial<Daemon> = {}): Daemon => ({
  ...{ kind, pid, name: kind, state: 'S', startedAfterBootSeconds: 9 },
  ...over,
});
const DAEMONS = [daemon('kubelet', KUBELET), daemon('container_runtime', RUNTIME)];
const ROOTS_OWN = 'Name:\tx\nUid:\t0\t0\t0\t0\n';

/** A pod's view: `host/` has a log only; processes 1, 21 and 22 have the whole node as their root. */
async function pod(
  node: Files,
  links: Links = {},
  { daemons = DAEMONS, proc = {} }: { daemons?: readonly Daemon[]; proc?: Files } = {},
) {
  const below = (path: string) => `node/${path}`;
  const under = <T>(record: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(record).map(([path, value]) => [below(path), value]));
  const root = tree(
    {
      'host/var/log/': '',
      'node/etc/shadow': SECRET,
      [`proc/${KUBELET}/status`]: ROOTS_OWN,
      [`proc/${RUNTIME}/status`]: ROOTS_OWN,
      ...proc,
      ...under(node),
    },
    {
      ...Object.fromEntries([1, KUBELET, RUNTIME].map(pid => [`proc/${pid}/root`, '../../node'])),
      ...under(links),
    },
  );
  const opened = await openRoot(new NodeFiles(new AbortController().signal, PATIENCE_MS), {
    root: join(root, 'host'),
    procRoot: join(root, 'proc'),
    daemons: async () => present(daemons),
  });
  return { root, ...opened };
}

describe('what the table names is read through the daemon that has it', () => {
  test('each of its files', async () => {
    const paths = [...CHECKPOINTS, ...RUNTIME_FILES.map(({ path }) => path), '/etc/hostname'];
    const { text } = await pod(
      Object.fromEntries(paths.map(path => [path.slice(1), `this is ${path}`])),
    );
    const read = await Promise.all(paths.map(async path => known(await text(path))));
    expect(read).toEqual(paths.map(path => `this is ${path}`));
  });

  test('CDI specifications of NVIDIA’s, by their names', async () => {
    const { names, text } = await pod({
      'etc/cdi/nvidia.yaml': 'kind: nvidia.com/gpu',
      'etc/cdi/other.yaml': SECRET,
      'etc/cdi/nvidia.key': SECRET,
    });
    expect(await names('/etc/cdi')).toEqual(present(['nvidia.yaml']));
    expect(await text('/etc/cdi/nvidia.yaml')).toEqual(present('kind: nvidia.com/gpu'));
    expect(await text('/etc/cdi/other.yaml')).toEqual(NOT_MOUNTED);
    expect(CDI_DIRECTORIES).toHaveLength(4);
  });

  test('names alone, where nothing more is asked', async () => {
    const { names, text } = await pod({ 'dev/char/195:0': SECRET, 'dev/char/1:3': '' });
    expect(await names('/dev/char')).toEqual(present(['195:0']));
    expect(await text('/dev/char/195:0')).toEqual(NOT_MOUNTED);
  });

  test('links of the node begin at its root and not at ours', async () => {
    const { text } = await pod(
      {
        'var/snap/microk8s/common/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint': '{}',
      },
      { 'var/lib/kubelet': '/var/snap/microk8s/common/var/lib/kubelet' },
    );
    expect(await text(CHECKPOINT)).toEqual(present('{}'));
  });

  test('a size, of a file system and of no file', async () => {
    const { statfs, text } = await pod({ 'dev/shm/': '' });
    expect((await statfs('/dev/shm')).ok).toBe(true);
    expect(await text('/dev/shm')).toEqual(NOT_MOUNTED);
  });

  test('what the daemon does not have is not there', async () => {
    expect(await (await pod({})).text(CHECKPOINT)).toEqual(missing('not_found', 'ENOENT'));
  });

  test('what is mounted is read there', async () => {
    const path = '/usr/local/nvidia/toolkit/.config/nvidia-container-runtime/config.toml';
    const { text, root } = await pod({ [path.slice(1)]: 'beyond' });
    execFileSync('mkdir', ['-p', join(root, 'host', path, '..')]);
    execFileSync('cp', [join(root, 'node/etc/shadow'), join(root, 'host', path)]);
    expect(await text(path)).toEqual(present(SECRET));
  });
});

describe('nothing else is read', () => {
  test.each([
    '/etc/shadow',
    '/etc/containerd/certs.d/registry/hosts.toml',
    '/var/lib/kubelet/device-plugins/kubelet.sock',
    '/var/lib/kubelet/device-plugins/../device-plugins/kubelet_internal_checkpoint',
    '/etc/cdi/nvidia/../../shadow',
    '/etc/cdi/../nvidia.yaml',
  ])('%s is not in the table', async path => {
    const { text, names, statfs } = await pod({
      'etc/nvidia.yaml': SECRET,
      'etc/containerd/certs.d/registry/hosts.toml': SECRET,
      [CHECKPOINT.slice(1)]: '{}',
    });
    const read: Reading<unknown>[] = [await text(path), await names(path), await statfs(path)];
    expect(read).toEqual([NOT_MOUNTED, NOT_MOUNTED, NOT_MOUNTED]);
  });

  test.each([
    ['the file', CONFIG, '/etc/shadow'],
    ['the file, by a relative link', CONFIG, '../shadow'],
    ['its folder', '/etc/containerd', '/etc/secrets'],
    ['a CDI specification', '/etc/cdi/nvidia.yaml', '/etc/shadow'],
    ['the folder of the specifications', '/etc/cdi', '/etc/secrets'],
    ['to another daemon’s file', CONFIG, CHECKPOINT],
  ])('a link out of the table is not followed: %s', async (_, link, target) => {
    const { text, names } = await pod(
      {
        'etc/secrets/config.toml': SECRET,
        'etc/secrets/nvidia.yaml': SECRET,
        [CHECKPOINT.slice(1)]: SECRET,
      },
      { [link.slice(1)]: target },
    );
    const path = link.includes('cdi') ? '/etc/cdi/nvidia.yaml' : CONFIG;
    expect(await text(path)).toEqual(LED_AWAY);
    if (link === '/etc/cdi') expect(await names(link)).toEqual(LED_AWAY);
  });

  test('a link into a circle', async () => {
    const { text } = await pod({}, { [CONFIG.slice(1)]: 'config.toml' });
    expect(await text(CONFIG)).toEqual(missing('unreadable', 'no regular file'));
  });

  test('a pipe and a socket at allowed paths are not opened', async () => {
    const { text, root } = await pod({ 'etc/containerd/': '', 'etc/crio/': '' });
    execFileSync('mkfifo', [join(root, 'node', CONFIG)]);
    expect(await text(CONFIG)).toEqual(missing('unreadable', 'no regular file'));
    const connections: unknown[] = [];
    const server = createServer(socket => connections.push(socket));
    await new Promise<void>(done => server.listen(join(root, 'node/etc/crio/crio.conf'), done));
    expect(await text('/etc/crio/crio.conf')).toEqual(missing('unreadable', 'no regular file'));
    server.close();
    expect(connections).toEqual([]);
  });

  test('more than the bound of a file', async () => {
    const { text } = await pod({ [CONFIG.slice(1)]: 'x'.repeat(70_000) });
    expect(known(await text(CONFIG))).toHaveLength(65_536);
    expect(known(await text(CONFIG, 8))).toHaveLength(8);
  });
});

describe('whose root it is', () => {
  const asked = async (daemons: readonly Daemon[], proc: Files = {}) => {
    const files = { [CHECKPOINT.slice(1)]: 'of the node' };
    const opened = await pod(files, {}, { daemons, proc });
    return opened.text(CHECKPOINT);
  };
  const impostor = (path: string, text: string) => ({ [`proc/31/root${path}`]: text });

  test('of a process that only calls itself a kubelet, in a pod or of another user: not its', async () => {
    const fake = impostor(CHECKPOINT, 'forged');
    const status = { 'proc/31/status': ROOTS_OWN };
    const inPod = daemon('kubelet', 31, { podUid: '5f0c7a7e-4a4e-4d0b-9c33-2f3f1c0c8e21' });
    expect(await asked([inPod], { ...fake, ...status })).toEqual(present('of the node'));
    const other = { 'proc/31/status': 'Uid:\t1000\t1000\t1000\t1000\n' };
    expect(await asked([daemon('kubelet', 31)], { ...fake, ...other })).toEqual(
      present('of the node'),
    );
    expect(await asked([daemon('kubelet', 31)], { ...fake, ...status })).toEqual(present('forged'));
  });

  test('without a daemon, the first process’s', async () => {
    expect(await asked([])).toEqual(present('of the node'));
  });

  test('a root that cannot be entered was not read, and says so', async () => {
    const root = tree({ 'host/var/log/': '' });
    const opened = await openRoot(new NodeFiles(new AbortController().signal, PATIENCE_MS), {
      root: join(root, 'host'),
      procRoot: join(root, 'proc'),
      daemons: async () => present([]),
    });
    expect(await opened.text(CHECKPOINT)).toEqual(
      missing('not_read', 'not mounted into the pod; root of process 1: not_found'),
    );
  });

  test('a root that hangs is not told as one that is not mounted', async () => {
    const root = tree({ 'host/var/log/': '' });
    const files = new NodeFiles(new AbortController().signal, PATIENCE_MS);
    files.stat = async () => missing('timeout');
    const opened = await openRoot(files, {
      root: join(root, 'host'),
      procRoot: join(root, 'proc'),
      daemons: async () => present([]),
    });
    expect(await opened.text(CHECKPOINT)).toEqual(
      missing('timeout', 'not mounted into the pod; root of process 1: timeout'),
    );
  });

  test('a first process that sees what we see is our own pod’s', async () => {
    const namespaces = {
      'proc/1/ns/mnt': 'mnt:[4026531841]',
      'proc/self/ns/mnt': 'mnt:[4026531841]',
    };
    const root = tree(
      { 'host/var/log/': '', [`node${CHECKPOINT}`]: 'of the pod' },
      { ...namespaces, 'proc/1/root': '../../node' },
    );
    const opened = await openRoot(new NodeFiles(new AbortController().signal, PATIENCE_MS), {
      root: join(root, 'host'),
      procRoot: join(root, 'proc'),
      daemons: async () => present([]),
    });
    expect(await opened.text(CHECKPOINT)).toEqual(NOT_MOUNTED);
  });
});

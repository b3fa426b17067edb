import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { known, missing } from '../../src/contract/reading.ts';
import { createNodeHost } from '../../src/host/node-host.ts';
import { createNodeKernelLog } from '../../src/kernel-log/node-log.ts';
import { createNodePodHistory } from '../../src/kernel-log/pod-history.ts';
import { nodeZone } from '../../src/kernel-log/text-files.ts';
import { nodePath } from '../../src/node-root/place.ts';
import { locateLibrary } from '../../src/nvml/library/library.ts';
import { type Files, type Links, PATIENCE_MS, tree } from '../host/tree.ts';
import { filesUnder, read } from '../house/files.ts';

const SECRET = 'kernel: NVRM: Xid (PCI:0000:41:00): 79, a secret of the node';
const LIBRARY = 'usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1';
const LINE = 'Nov 27 03:10:00 n kernel: [1.0] NVRM: Xid (PCI:0000:41:00): 79, pid=0';
const signal = new AbortController().signal;
const clock = { nowMs: () => Date.now(), monotonicMs: () => 0 };

/** A node as the pod sees it through the root of its first process. */
function processRoot(files: Files, links: Links = {}): string {
  const below = <T>(record: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(record).map(([path, one]) => [`proc/1/root/${path}`, one]));
  const all = { 'etc/shadow': SECRET, 'root/kern.log': SECRET, ...files };
  return join(tree(below(all), below(links)), 'proc/1/root');
}

const refused = (path: string) =>
  expect.objectContaining({ code: 'EACCES', message: `${path} is not to be read` });

describe('through the root of a process only what the table names has a place', () => {
  test.each([
    '/var/log/kern.log',
    '/var/log/messages-20261101.zst',
    '/var/log/journal',
    '/run/log/journal/0123456789abcdef/system.journal',
    '/var/lib/systemd/pstore/7/dmesg.txt',
    '/etc/timezone',
    '/etc/localtime',
    '/var/log/pods',
    '/var/lib/kubelet/pod-resources/kubelet.sock',
    '/usr/lib64/libnvidia-ml.so.570.124.06',
  ])('%s', async path => {
    const root = processRoot({});
    expect(await nodePath(root, path)).toBe(join(root, path));
  });

  test.each([
    '/etc/shadow',
    '/var/log/auth.log',
    '/var/log/kern.log/../auth.log',
    '/var/log/journal/a/b/system.journal',
    '/var/log/journal/user.key',
    '/var/lib/kubelet/pki/kubelet.key',
    '/var/lib/kubelet/pod-resources/other.sock',
    '/run/containerd/containerd.sock',
    '/root/.ssh/id_ed25519',
    '/usr/lib64/libnvidia-ml.so.1/../secret',
    '/usr/lib64/libc.so.6',
    '/proc/1/environ',
    // What is read of containers is not read of the node.
    '/sys/fs/cgroup/memory.max',
    '/dev',
  ])('not %s', async path => {
    await expect(nodePath(processRoot({}), path)).rejects.toEqual(refused(path));
  });

  test('the same paths have one where the pod has mounts, or is the machine itself', async () => {
    const root = tree({ 'host/etc/shadow': SECRET });
    expect(await nodePath(join(root, 'host'), '/etc/shadow')).toBe(join(root, 'host/etc/shadow'));
  });
});

describe('links are followed in the node’s root, and not out of the table', () => {
  test.each([
    ['absolute', '/etc/shadow'],
    ['relative', '../../etc/shadow'],
    ['above the root', '../../../../../../../../etc/shadow'],
    ['to a file of the same name elsewhere', '/root/kern.log'],
  ])('%s', async (_, target) => {
    const root = processRoot({}, { 'var/log/kern.log': target });
    await expect(nodePath(root, '/var/log/kern.log')).rejects.toEqual(refused('/var/log/kern.log'));
  });

  test('a chain of links that is longer than we follow is not opened where it stopped', async () => {
    const names = Array.from({ length: 45 }, (_, at) => `var/log/kern.log.${at}`);
    const links = names.map((name, at) => [name, `kern.log.${at + 1}`] as const);
    const root = processRoot(
      {},
      { ...Object.fromEntries(links), 'var/log/kern.log.45': '/etc/shadow' },
    );
    await expect(nodePath(root, '/var/log/kern.log.0')).rejects.toMatchObject({ code: 'EACCES' });
  });

  test('a folder may lie elsewhere, as a mount of it would', async () => {
    const links = { 'var/log': '/data/log', 'var/lib/kubelet': '/mnt/kubelet' };
    const root = processRoot({ 'data/log/kern.log': LINE, 'data/log/auth.log': SECRET }, links);
    expect(await nodePath(root, '/var/log/kern.log')).toBe(join(root, 'data/log/kern.log'));
    expect(await nodePath(root, '/var/lib/kubelet/pod-resources/kubelet.sock')).toBe(
      join(root, 'mnt/kubelet/pod-resources/kubelet.sock'),
    );
    await expect(nodePath(root, '/var/log/auth.log')).rejects.toMatchObject({ code: 'EACCES' });
  });

  test('within the table', async () => {
    const root = processRoot({ 'var/log/syslog': LINE }, { 'var/log/kern.log': 'syslog' });
    expect(await nodePath(root, '/var/log/kern.log')).toBe(join(root, 'var/log/syslog'));
  });
});

describe('who reads a node goes this way', () => {
  const scanned = async (root: string) => {
    const texts: string[] = [];
    const log = createNodeKernelLog({
      root,
      clock,
      procRoot: join(root, 'proc'),
      sysRoot: join(root, 'sys'),
      openKmsg: () => {
        throw Object.assign(new Error('none'), { code: 'ENOENT' });
      },
    });
    const window = { sources: ['text', 'journal', 'pstore'] as const };
    const coverage = await log.scan(window, ({ text }) => texts.push(text), signal);
    return { texts, coverage };
  };

  test('logs: a rotated file that links away is said to be closed, the others are read', async () => {
    const root = processRoot(
      { 'var/log/kern.log': `${LINE}\n`, 'var/log/auth.log': SECRET },
      { 'var/log/kern.log.1': '../../etc/shadow', 'var/log/journal': '/root' },
    );
    const { texts, coverage } = await scanned(root);
    expect(texts).toEqual([expect.stringContaining('NVRM: Xid (PCI:0000:41:00): 79, pid=0')]);
    expect(coverage.find(({ source }) => source === '/var/log/kern.log.1')).toMatchObject({
      available: false,
      notes: ['it is a link to what is not to be read'],
    });
  });

  test('crash dumps: one that links away is not read', async () => {
    const root = processRoot(
      { 'var/lib/systemd/pstore/1/': '' },
      { 'var/lib/systemd/pstore/1/dmesg.txt': '/etc/shadow' },
    );
    const { texts, coverage } = await scanned(root);
    expect(texts).toEqual([]);
    expect(coverage.find(({ source }) => source === '/var/lib/systemd/pstore')?.notes).toEqual([
      '1/dmesg.txt could not be read: no_permission',
    ]);
  });

  test('lives of containers and the zone', async () => {
    const root = processRoot(
      { 'usr/share/zoneinfo/Europe/Berlin': '' },
      { 'var/log/syslog': '/etc/shadow', 'etc/timezone': '/etc/shadow' },
    );
    const history = createNodePodHistory({ root, nowMs: () => Date.now() });
    expect(await history.read([{ sinceMs: 0, untilMs: Date.now() }], signal)).toMatchObject({
      lives: [],
    });
    expect(await nodeZone(root)).toBeNull();
  });

  test('the driver: what a link of this name leads to must have it too', async () => {
    const places = async (links: Links, files: Files = {}) => {
      const hostRoot = processRoot({ 'opt/driver/libnvidia-ml.so.570': '', ...files }, links);
      return (await locateLibrary({ hostRoot, arch: 'x64' })).found.map(({ onNode }) => onNode);
    };
    expect(await places({ [LIBRARY]: '/opt/driver/libnvidia-ml.so.570' })).toEqual([
      '/opt/driver/libnvidia-ml.so.570',
    ]);
    expect(await places({ [LIBRARY]: '/etc/shadow' })).toEqual([]);
    const ready = {
      'root/ready': 'NVIDIA_DRIVER_ROOT=/root\n',
      'root/usr/lib64/libnvidia-ml.so.1': '',
    };
    expect(await places({ 'run/nvidia/validations/driver-ready': '/root/ready' }, ready)).toEqual(
      [],
    );
  });

  test('the host: pods and their sockets, never another folder', async () => {
    const root = processRoot(
      { 'var/log/pods/ml_train-0_5f0c7a7e/main/': '' },
      { 'var/lib/kubelet/pod-resources/kubelet.sock': '/etc/shadow' },
    );
    const state = await createNodeHost({
      root,
      procRoot: join(root, '../..'),
      sysRoot: join(root, 'sys'),
      devRoot: join(root, 'dev'),
      readClock: async () => missing('not_read'),
      readMsMax: PATIENCE_MS,
    }).read(signal);
    expect(known(state.pods.names)?.map(({ pod }) => pod)).toEqual(['train-0']);
    expect(state.pods.allocations).toEqual(
      missing('not_read', 'a link leads to what is not to be read'),
    );
  });
});

test('no file of the rooms that read a node can write one', () => {
  const rooms = ['host', 'kernel-log', 'node-root', 'nvml'];
  for (const file of rooms.flatMap(room => filesUnder(`src/${room}`))) {
    const source = read(file);
    const imported = [
      ...source.matchAll(/import \{([^}]*)\} from 'node:fs(?:\/promises)?'/g),
    ].flatMap(([, names = '']) => names.split(',').map(name => name.replace('type ', '').trim()));
    const allowed = file === 'src/nvml/child/child.ts' ? ['writeSync'] : READING;
    expect(
      imported.filter(name => name !== '' && !allowed.includes(name)),
      file,
    ).toEqual([]);
    expect(source, file).not.toMatch(
      /import \* as \w+ from 'node:fs|'node:fs'\)|O_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)|\bopen(?:Sync)?\([^)]*, '[^r]/,
    );
  }
});

/** What node:fs has that changes nothing. */
const READING = [
  ...['closeSync', 'constants', 'createReadStream', 'Dirent', 'FileHandle', 'fstatSync', 'lstat'],
  ...[
    'open',
    'openSync',
    'opendir',
    'readdir',
    'readdirSync',
    'readFile',
    'readFileSync',
    'readlink',
  ],
  ...['readlinkSync', 'readSync', 'stat', 'statfs', 'Stats'],
];

import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { AnchorSet } from '../../src/kernel-log/anchors.ts';
import { daemonLogSources, nodeZone, textFileSources } from '../../src/kernel-log/text-files.ts';
import { NOW_MS, scanAll, tree } from './support.ts';

const DAY_MS = 86_400_000;
const XID = 'NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.';
const at = (stamp: string, text: string) => `${stamp} host kernel: ${text}\n`;

async function scanLogs(root: string, window = {}) {
  const options = { root, anchors: new AnchorSet(), nowMs: () => NOW_MS };
  const found = await Promise.all(
    [...textFileSources(options), ...daemonLogSources(options)].map(each => scanAll(each, window)),
  );
  return {
    records: found.flatMap(({ records }) => records),
    texts: found.flatMap(({ texts }) => texts),
    coverage: found.flatMap(({ coverage }) => coverage).filter(({ records }) => records > 0),
    unavailable: found.flatMap(({ coverage }) => coverage).filter(({ available }) => !available),
  };
}

describe('/var/log', () => {
  test('only lines tagged kernel are kernel text; the others are counted', async () => {
    const OTHER = XID.replace(/PCI:[\w:]+/, 'PCI:0000:99:00');
    const root = tree({
      'etc/timezone': 'UTC\n',
      'var/log/syslog':
        `Aug 19 23:00:00 host systemd[1]: Started session.\n${at('Aug 20 10:00:00', XID)}` +
        `Aug 20 10:00:01 host sshd[1]: ${OTHER}\nAug 20 10:00:02 ${OTHER}\n` +
        `Aug 20 11:00:00 host cron[2]: done\n`,
    });
    const { records, coverage } = await scanLogs(root);
    expect(records).toEqual([
      {
        source: '/var/log/syslog',
        line: 2,
        text: XID,
        level: null,
        boot: null,
        bootSeconds: null,
        timeMs: Date.parse('2026-08-20T10:00:00Z'),
        timeUncertaintyMs: 1_000,
      },
    ]);
    expect(coverage).toEqual([
      {
        source: '/var/log/syslog',
        available: true,
        from: '2026-08-19T23:00:00.000Z',
        to: '2026-08-20T11:00:00.000Z',
        records: 5,
        lost: 0,
        untrusted: 2,
        malformed: 0,
        notes: ['any program on the node can write lines tagged "kernel" into this file'],
        unread: [{ reason: 'another program wrote it, not the kernel', count: 2, lines: [3, 4] }],
      },
    ]);
  });

  test('rotated and compressed files are read, oldest first, with the year of their date', async () => {
    const root = tree(
      {
        'var/log/kern.log': at('Aug 20 10:00:00', 'NVRM: d'),
        'var/log/kern.log.1': at('Aug 10 10:00:00', 'NVRM: c'),
        'var/log/kern.log.2.gz': gzipSync(at('Dec 31 10:00:00', 'NVRM: b')),
        'var/log/kern.log.3.zst': zstdCompressSync(at('Dec 30 10:00:00', 'NVRM: a')),
        'var/log/kern.log.bak': at('Aug 20 10:00:00', 'NVRM: of nobody'),
      },
      {
        'var/log/kern.log.1': NOW_MS - 10 * DAY_MS,
        'var/log/kern.log.2.gz': Date.parse('2025-01-01T00:00:00Z'),
        'var/log/kern.log.3.zst': Date.parse('2024-12-31T00:00:00Z'),
      },
    );
    const { records } = await scanLogs(root);
    expect(
      records.map(({ text, timeMs }) => [text, new Date(timeMs ?? 0).getUTCFullYear()]),
    ).toEqual([
      ['NVRM: a', 2024],
      ['NVRM: b', 2024],
      ['NVRM: c', 2026],
      ['NVRM: d', 2026],
    ]);
  });

  test('files that end before the window are not opened, and the newest one says so', async () => {
    const root = tree(
      {
        'var/log/kern.log': at('Aug 20 10:00:00', XID),
        'var/log/kern.log.1': at('Aug 1 10:00:00', 'NVRM: old'),
      },
      { 'var/log/kern.log.1': NOW_MS - 19 * DAY_MS },
    );
    const { texts, coverage } = await scanLogs(root, { sinceMs: NOW_MS - 2 * DAY_MS });
    expect(texts).toEqual([XID]);
    expect(coverage.map(({ source }) => source)).toEqual(['/var/log/kern.log']);
    expect(coverage[0]?.notes).toContain('1 file(s) of kern.log end before the window');
  });

  test('what came before the damage of an archive is read', async () => {
    // Random-looking text, so that the archive has bytes to lose.
    const tail = Array.from({ length: 4_000 }, (_, each) => `${each * 7919} ${each ** 3}`).join(
      '\n',
    );
    const whole = gzipSync(at('Aug 20 10:00:00', XID) + tail);
    const root = tree({ 'var/log/messages.1.gz': whole.subarray(0, whole.length / 2) });
    const { texts, coverage } = await scanLogs(root);
    expect(texts).toEqual([XID]);
    expect(coverage[0]?.notes.join()).toContain('reading stopped early');
  });

  test('xz without its decoder is said to be unsupported', async () => {
    const root = tree({ 'var/log/messages-20260801.xz': Buffer.from('fd377a585a000004', 'hex') });
    const { unavailable } = await scanLogs(root);
    expect(unavailable).toContainEqual(
      expect.objectContaining({
        source: '/var/log/messages-20260801.xz',
        unavailable: 'not_supported',
      }),
    );
  });

  test('a node without such files says not_found for each family', async () => {
    const { unavailable } = await scanLogs(tree({ 'etc/hostname': 'x' }));
    expect(unavailable.map(({ source, unavailable: why }) => `${source} ${why}`)).toEqual([
      '/var/log/kern.log not_found',
      '/var/log/messages not_found',
      '/var/log/syslog not_found',
      '/var/log/dmesg not_found',
      '/var/log/fabricmanager.log not_found',
      '/var/log/nvidia-imex.log not_found',
    ]);
  });

  test('a record over several lines is one, numbered by its first', async () => {
    const prefix = '[   12.000001] ';
    const indent = ' '.repeat(prefix.length);
    const root = tree({
      'var/log/dmesg':
        `${prefix}NVRM: The NVIDIA GPU 0000:b3:00.0\n${indent}NVRM: (PCI ID: 10de:26b5)\n` +
        `${indent}NVRM: fallen off the bus\n${prefix}NVRM: next\n    NVRM: less indented\n`,
    });
    const { records } = await scanLogs(root);
    expect(records.map(({ line, text }) => [line, text])).toEqual([
      [1, 'NVRM: The NVIDIA GPU 0000:b3:00.0\nNVRM: (PCI ID: 10de:26b5)\nNVRM: fallen off the bus'],
      [4, 'NVRM: next'],
      [5, '    NVRM: less indented'],
    ]);
  });

  const DIFFERS =
    "fabric manager NVIDIA GPU driver interface version 550.127.05 don't match with driver version 550.120. Please update with matching NVIDIA driver package.";
  test('Fabric Manager’s and IMEX’s own logs are sources with level and time', async () => {
    const root = tree({
      'etc/timezone': 'UTC\n',
      'var/log/fabricmanager.log':
        '[Feb 27 2025 15:10:00] [INFO] [tid 1] Connected to 1 node.\n' +
        '[Feb 27 2025 15:10:02] [ERROR] [tid 12727] detected NVSwitch non-fatal error 12028 on fid 0\n' +
        `[Feb 27 2025 15:10:02] [ERROR] [tid 12727] ${DIFFERS}\n`,
      'var/log/nvidia-imex.log': '[Feb 27 2025 15:10:03] [WARNING] [tid 7] peer is not reachable\n',
    });
    const { records } = await scanLogs(root);
    expect(records).toMatchObject([
      {
        source: '/var/log/fabricmanager.log',
        line: 2,
        level: 3,
        text: 'detected NVSwitch non-fatal error 12028 on fid 0',
        timeMs: Date.parse('2025-02-27T15:10:02Z'),
      },
      { source: '/var/log/fabricmanager.log', line: 3, text: DIFFERS },
      { source: '/var/log/nvidia-imex.log', line: 1, level: 4, text: 'peer is not reachable' },
    ]);
  });
});

describe('the node’s zone', () => {
  test('comes from the link of /etc/localtime, then from /etc/timezone', async () => {
    const linked = tree({ 'etc/timezone': 'America/New_York\n' });
    symlinkSync('/usr/share/zoneinfo/Europe/Berlin', join(linked, 'etc/localtime'));
    expect(await nodeZone(linked)).toBe('Europe/Berlin');
    expect(await nodeZone(tree({ 'etc/timezone': 'America/New_York\n' }))).toBe('America/New_York');
    expect(await nodeZone(tree({ 'etc/timezone': 'Nowhere/Land\n' }))).toBeNull();
  });
});

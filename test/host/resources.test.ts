import { describe, expect, test } from 'vitest';
import { known, missing, present } from '../../src/contract/reading.ts';
import { CLOCK, node, task } from './tree.ts';

const MEMINFO =
  'MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    600 kB\nSwapTotal:       50 kB\nSwapFree:        40 kB\n';

describe('memory', () => {
  test('in bytes', async () => {
    const { read } = node({ 'proc/meminfo': MEMINFO });
    expect((await read()).resources.memory).toEqual(
      present({
        totalBytes: 1_024_000,
        availableBytes: 614_400,
      }),
    );
  });

  test('a form that we do not know is no zero', async () => {
    const { read } = node({ 'proc/meminfo': 'MemTotal: 1 MB\n' });
    expect((await read()).resources.memory).toEqual(missing('unreadable', 'unknown form'));
  });

  test('kills by the OOM killer and errors of the RAM', async () => {
    const controller = (name: string, corrected: number, uncorrected: number) => ({
      [`sys/devices/system/edac/mc/${name}/ce_count`]: `${corrected}\n`,
      [`sys/devices/system/edac/mc/${name}/ue_count`]: `${uncorrected}\n`,
    });
    const { read } = node({
      'proc/vmstat': 'nr_free_pages 1\noom_kill 3\n',
      'proc/sys/kernel/tainted': '4624\n',
      ...controller('mc0', 5, 0),
      ...controller('mc1', 2, 1),
    });
    const { oomKills, edac, kernelTaint } = (await read()).resources;
    expect([oomKills, edac, kernelTaint]).toEqual([
      present(3),
      present({ corrected: 7, uncorrected: 1 }),
      present(4624),
    ]);
  });
});

describe('limits of the container runtime', () => {
  const limits = (value: string) =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax locked memory         ${value.padEnd(20)} unlimited            bytes     \n`;
  test.each([
    ['8388608', 8_388_608],
    ['unlimited', 'unlimited'],
  ])('%s', async (text, value) => {
    const { read } = node({
      ...task(9, 'containerd'),
      'proc/9/limits': limits(text),
    });
    expect((await read()).resources.memlockBytes).toEqual(present(value));
  });

  test('without a runtime there is nobody to ask', async () => {
    const { read } = node(task(9, 'bash'));
    expect((await read()).resources.memlockBytes).toEqual(
      missing('not_found', 'no container runtime is running'),
    );
  });
});

describe('disks', () => {
  const mounts = [
    '22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 ro,errors=remount-ro',
    '23 22 0:21 / /proc rw,nosuid shared:2 - proc proc rw',
    '30 22 259:3 / /var/lib/kubelet rw,relatime shared:3 - xfs /dev/nvme1n1 rw,attr2',
    '31 22 0:44 / /var/lib/kubelet/pods/x rw - tmpfs tmpfs rw',
  ].join('\n');

  test('a whole root tells the space of each; an error has made one read-only', async () => {
    const { read } = node({
      ...WHOLE,
      'host/var/lib/kubelet/': '',
      'proc/1/mountinfo': mounts,
    });
    const disks = known((await read()).resources.filesystems) ?? [];
    expect(disks).toMatchObject([
      {
        mountPoint: '/',
        type: 'ext4',
        device: '/dev/nvme0n1p2',
        readOnly: true,
        readOnlyByDesign: false,
      },
      { mountPoint: '/var/lib/kubelet', type: 'xfs', readOnly: false, readOnlyByDesign: false },
    ]);
    for (const { space } of disks) {
      expect(known(space)?.totalBytes).toBeGreaterThan(known(space)?.availableBytes ?? Infinity);
    }
  });

  test('where only /var/log is mounted it tells of the disk that it lies on', async () => {
    const { read } = node({ 'host/var/log/': '', 'proc/1/mountinfo': mounts });
    const disks = known((await read()).resources.filesystems) ?? [];
    expect(disks.map(({ mountPoint, space }) => [mountPoint, space.ok || space.reason])).toEqual([
      ['/', true],
      ['/var/lib/kubelet', 'not_read'],
    ]);
  });

  test('packed and verified roots are read-only by design', async () => {
    const { read } = node({
      'proc/1/mountinfo':
        '22 1 253:0 / / ro,relatime shared:1 - ext2 /dev/dm-0 ro\n30 22 259:3 / /var rw - squashfs /dev/loop0 ro\n',
    });
    const disks = known((await read()).resources.filesystems) ?? [];
    expect(disks.map(({ readOnly, readOnlyByDesign }) => [readOnly, readOnlyByDesign])).toEqual([
      [true, true],
      [true, true],
    ]);
  });
});

describe('load, pressure, time', () => {
  test('as proc tells them', async () => {
    const { read } = node({
      'proc/loadavg': '24.10 23.80 22.00 3/4000 12345\n',
      'proc/stat': 'cpu  1 2 3\ncpu0 1 2 3\ncpu1 1 2 3\nintr 1\n',
      'proc/pressure/cpu':
        'some avg10=1.50 avg60=0.70 avg300=0.10 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
      'proc/pressure/memory': 'some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n',
      ...task(8, 'chronyd'),
    });
    const { load, pressure, timeSync, clock } = (await read()).resources;
    expect(load).toEqual(present({ one: 24.1, cpus: present(2) }));
    expect(pressure).toEqual(
      present({
        cpu: present({
          some60Percent: 0.7,
          full60Percent: 0,
        }),
        memory: present({ some60Percent: 0 }),
        io: missing('not_found', 'ENOENT'),
      }),
    );
    expect(timeSync).toEqual(present({ daemon: 'chronyd' }));
    expect(clock).toEqual(present(CLOCK));
  });
});

const WHOLE = { 'host/etc/': '', 'host/proc/': '', 'host/sys/': '', 'host/var/': '' };

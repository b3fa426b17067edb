import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { known, missing, present } from '../../src/contract/reading.ts';
import { missingOf, NodeFiles, pathInRoot } from '../../src/host/files.ts';
import { node, PATIENCE_MS } from './tree.ts';

const GPU = 'sys/bus/pci/devices/0000:3b:00.0';
const gpuFiles = (path = GPU, over: Readonly<Record<string, string>> = {}) => ({
  [`${path}/vendor`]: '0x10de\n',
  [`${path}/device`]: '0x2330\n',
  [`${path}/class`]: '0x030200\n',
  [`${path}/current_link_speed`]: '32.0 GT/s PCIe\n',
  [`${path}/current_link_width`]: '16\n',
  [`${path}/max_link_speed`]: '32.0 GT/s PCIe\n',
  [`${path}/max_link_width`]: '16\n',
  [`${path}/aer_dev_fatal`]: 'Undefined 0\nDLP 1\nTOTAL_ERR_FATAL 1\n',
  [`${path}/aer_dev_nonfatal`]: 'Undefined 0\nTLP 2\nTOTAL_ERR_NONFATAL 2\n',
  [`${path}/aer_dev_correctable`]: 'RxErr 5\nBadTLP 2\nTOTAL_ERR_COR 7\n',
  ...over,
});

describe('PCI', () => {
  test('a GPU has its address, driver, link and error totals', async () => {
    const { read } = node(gpuFiles(), { [`${GPU}/driver`]: '../../../bus/pci/drivers/nvidia' });
    expect(known((await read()).pciDevices)).toMatchObject([
      {
        pci: '0000:3b:00',
        function: 0,
        kind: 'gpu',
        driver: 'nvidia',
        currentLinkSpeed: present('32.0 GT/s PCIe'),
        currentLinkWidth: present(16),
        maxLinkSpeed: present('32.0 GT/s PCIe'),
        maxLinkWidth: present(16),
        aerFatal: present(1),
        aerNonFatal: present(2),
        aerCorrectable: present(7),
      },
    ]);
  });

  test('NVSwitches and display GPUs count; audio functions and other vendors do not', async () => {
    const device = (address: string, classCode: string, vendor = '0x10de') =>
      gpuFiles(`sys/bus/pci/devices/${address}`, {
        [`sys/bus/pci/devices/${address}/class`]: `${classCode}\n`,
        [`sys/bus/pci/devices/${address}/vendor`]: `${vendor}\n`,
      });
    const { read } = node({
      ...device('0009:01:00.0', '0x030000'),
      ...device('0009:01:00.1', '0x040300'),
      ...device('0000:86:00.3', '0x068000'),
      ...device('0000:87:00.0', '0x068000', '0x8086'),
      ...device('0000:88:00.0', '0x030000', '0x1002'),
    });
    const devices = known((await read()).pciDevices) ?? [];
    expect(devices.map(({ pci, function: number, kind }) => [pci, number, kind])).toEqual([
      ['0000:86:00', 3, 'nvswitch'],
      ['0009:01:00', 0, 'gpu'],
    ]);
    expect(devices[0]).not.toHaveProperty('driver');
  });

  test('a GPU that left the bus keeps its row; its link and counters say why they are missing', async () => {
    const { read } = node({
      [`${GPU}/vendor`]: '0x10de\n',
      [`${GPU}/class`]: '0x030200\n',
      [`${GPU}/device`]: '0x2330\n',
      [`${GPU}/current_link_speed`]: 'Unknown\n',
      [`${GPU}/current_link_width`]: '63\n',
      [`${GPU}/max_link_width`]: '0\n',
      [`${GPU}/aer_dev_fatal`]: '',
    });
    expect(known((await read()).pciDevices)).toMatchObject([
      {
        currentLinkSpeed: missing('unreadable', 'Unknown'),
        currentLinkWidth: missing('unreadable', '63'),
        maxLinkSpeed: missing('not_found', 'ENOENT'),
        maxLinkWidth: missing('not_supported', 'width 0'),
        aerFatal: missing('unreadable', 'no TOTAL line'),
        aerNonFatal: missing('not_found', 'ENOENT'),
      },
    ]);
  });
});

describe('the kernel module', () => {
  test.each([
    [
      'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version:  gcc\n',
      '535.104.05',
      'proprietary',
    ],
    [
      'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.195.03  Release Build  (dvs)\n',
      '570.195.03',
      'open',
    ],
    [
      'NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.65  Release Build  (dvs)\n',
      '580.65',
      'open',
    ],
  ])('%s', async (text, version, kind) => {
    const state = await node({ 'proc/driver/nvidia/version': text }).read();
    expect([state.moduleVersion, state.moduleKind]).toEqual([present(version), present(kind)]);
  });

  test('without /proc/driver the version comes from sysfs', async () => {
    const state = await node({ 'sys/module/nvidia/version': '570.195.03\n' }).read();
    expect(state.moduleVersion).toEqual(present('570.195.03'));
    expect(state.moduleKind).toEqual(missing('not_found', 'ENOENT'));
    expect(state.driverGpus).toEqual(missing('not_found', 'ENOENT'));
  });

  test('no module is driver_not_loaded, no sysfs is not_found', async () => {
    const none = missing('driver_not_loaded');
    const without = await node({ 'sys/module/ext4/version': '1' }).read();
    expect([without.moduleVersion, without.moduleKind, without.driverGpus]).toEqual([
      none,
      none,
      none,
    ]);
    expect((await node({}).read()).moduleVersion).toEqual(missing('not_found', 'ENOENT'));
  });

  test('the GPUs that it has taken', async () => {
    const information = (uuid: string, minor: string) =>
      `Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 272\nGPU UUID: \t ${uuid}\nDevice Minor: \t ${minor}\n`;
    const uuid = 'GPU-b6c3b2be-c55b-d076-fa0e-d464e4c7e08b';
    const { read } = node({
      'proc/driver/nvidia/gpus/0000:3b:00.0/information': information(uuid, '0'),
      'proc/driver/nvidia/gpus/0000:91:00.0/information': information(
        'GPU-????????-????-????-????-????????????',
        'x',
      ),
      'proc/driver/nvidia/gpus/0000:92:00.0/other': '',
    });
    expect((await read()).driverGpus).toEqual(
      present([
        {
          pci: '0000:3b:00',
          model: present('NVIDIA H100 80GB HBM3'),
          uuid: present(uuid),
          minor: present(0),
        },
        {
          pci: '0000:91:00',
          model: present('NVIDIA H100 80GB HBM3'),
          uuid: missing('uninitialized', 'GPU-????????-????-????-????-????????????'),
          minor: missing('unreadable', 'x'),
        },
        {
          pci: '0000:92:00',
          model: missing('not_found', 'ENOENT'),
          uuid: missing('not_found', 'ENOENT'),
          minor: missing('not_found', 'ENOENT'),
        },
      ]),
    );
  });
});

describe('blocked tasks', () => {
  const task = (pid: number, comm: string, state: string, threads = 1) => ({
    [`proc/${pid}/stat`]: `${pid} (${comm}) ${state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 ${threads} 0 100\n`,
  });

  test('only those in state D inside the driver, or named after it', async () => {
    const { read } = node({
      ...task(10, 'nvidia-smi', 'D'),
      'proc/10/wchan': 'rwsem_down_write_slowpath',
      ...task(11, 'python3', 'D'),
      'proc/11/wchan': '0',
      'proc/11/stack':
        '[<0>] rwsem_down_read_slowpath+0x1/0x2\n[<0>] os_acquire_rwlock_read+0x3a/0x50 [nvidia]\n',
      ...task(12, 'nvidia-smi', 'S'),
      ...task(13, 'dd', 'D'),
      'proc/13/wchan': 'nfs_wait_on_request',
      ...task(14, 'nvidia) D 1 (x', 'R'),
    });
    expect((await read()).blockedTasks).toEqual(
      present([
        { pid: 10, name: 'nvidia-smi', waitsIn: present('rwsem_down_write_slowpath') },
        { pid: 11, name: 'python3', waitsIn: present('os_acquire_rwlock_read') },
      ]),
    );
  });

  test('threads behind a main thread that runs are found', async () => {
    const { read } = node({
      ...task(20, 'VLLM::Worker', 'S', 2),
      'proc/20/task/20/stat': '20 (VLLM::Worker) S 1',
      'proc/20/task/21/stat': '21 (cuda-EvtHandlr) D 1',
      'proc/20/task/21/wchan': 'nv_drm_wait',
    });
    expect((await read()).blockedTasks).toEqual(
      present([{ pid: 21, name: 'cuda-EvtHandlr', waitsIn: present('nv_drm_wait') }]),
    );
  });

  test('at most 32 are listed', async () => {
    const many = Array.from({ length: 40 }, (_, each) => task(100 + each, 'nvidia-smi', 'D'));
    const { read } = node(Object.assign({}, ...many));
    expect(known((await read()).blockedTasks)).toHaveLength(32);
  });

  test('without any process nothing can be said', async () => {
    const { read } = node({ 'proc/version': 'x' });
    expect((await read()).blockedTasks).toEqual(missing('not_found', 'no process is visible'));
  });
});

describe('the node', () => {
  test('names, boot, kernel, system, devices', async () => {
    const state = await node(
      {
        'host/etc/hostname': 'gpu-node-a\n',
        'host/usr/lib/os-release': 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 24.04.1 LTS"\n',
        'proc/sys/kernel/hostname': 'gpu-mcp-pod\n',
        'proc/sys/kernel/random/boot_id': '2e3491e4-6238-4efa-be31-7664e5c58b03\n',
        'proc/sys/kernel/osrelease': '6.8.0-45-generic\n',
        'proc/uptime': '1811.43 3500.01\n',
        'dev/nvidia0': '',
        'dev/nvidiactl': '',
        'dev/null': '',
      },
      { 'host/etc/os-release': '/usr/lib/os-release' },
    ).read();
    expect(state).toMatchObject({
      hostname: present('gpu-node-a'),
      os: present('Ubuntu 24.04.1 LTS'),
      bootId: present('2e3491e462384efabe317664e5c58b03'),
      kernel: present('6.8.0-45-generic'),
      uptimeSeconds: present(1811.43),
      deviceNodes: present(['nvidia0', 'nvidiactl']),
    });
  });

  test.each([
    ['a server', 'processor\t: 0\nflags\t\t: fpu vme\n\nprocessor\t: 1\n', present(false)],
    ['a virtual machine', 'flags\t\t: fpu hypervisor lahf_lm\n', present(true)],
    [
      'an ARM machine',
      'processor\t: 0\nFeatures\t: fp asimd\n',
      missing('not_supported', 'the processor does not tell'),
    ],
  ])('whether it is virtual: %s', async (_, cpuinfo, reading) => {
    expect((await node({ 'proc/cpuinfo': cpuinfo }).read()).virtualMachine).toEqual(reading);
  });

  test.each([
    [{ 'sys/class/dmi/id/sys_vendor': 'Amazon EC2\n' }, present('Amazon EC2')],
    [{}, missing('not_found', 'ENOENT')],
  ])('who made it: %j', async (files, reading) => {
    expect((await node(files).read()).vendor).toEqual(reading);
  });

  test('without the node’s own files the names of proc are used', async () => {
    const state = await node({ 'proc/sys/kernel/hostname': 'from-proc\n' }).read();
    expect(state.hostname).toEqual(present('from-proc'));
    expect(state.os).toMatchObject({ ok: false, reason: 'not_read' });
  });

  test('nothing at all: every reading says why, none throws', async () => {
    const state = await node({}, {}, missing('not_supported')).read();
    const reasons = new Set(readings(state).map(each => (each.ok ? 'read' : each.reason)));
    // What only a whole root tells was not looked for.
    expect(reasons).toEqual(new Set(['not_found', 'not_read', 'not_supported']));
  });

  test('a cancelled read reads nothing', async () => {
    const { host } = node({ 'proc/uptime': '1 1\n' });
    const state = await host.read(AbortSignal.abort());
    expect(state.uptimeSeconds).toEqual(missing('not_read', 'the call was cancelled'));
  });
});

describe('files', () => {
  const files = new NodeFiles(new AbortController().signal, PATIENCE_MS);

  test('links are followed inside the root, absolute ones from it, circles to an end', async () => {
    const { root } = node(
      { 'etc/os-release': 'of the container', 'host/real/b/file': 'x' },
      {
        'host/a': '/real/../real',
        'host/a2': 'a/b/../b',
        'host/up': '../../../../etc',
        'host/circle': '/circle',
      },
    );
    const inside = async (path: string) => known(await pathInRoot(files, join(root, 'host'), path));
    expect(await inside('/a/b/file')).toBe(join(root, 'host/real/b/file'));
    expect(await inside('/a2/file')).toBe(join(root, 'host/real/b/file'));
    expect(await inside('/up/os-release')).toBe(join(root, 'host/etc/os-release'));
    expect(await inside('/circle/x')).toBe(join(root, 'host/circle/x'));
  });

  test('a file that never answers is timeout', async () => {
    const { root } = node({ pipe: '' });
    execFileSync('mkfifo', [join(root, 'fifo')]);
    const waiting = new NodeFiles(new AbortController().signal, 20).text(join(root, 'fifo'));
    expect(await waiting).toEqual(missing('timeout'));
    // Opening the other end lets the waiting thread go.
    writeFileSync(join(root, 'fifo'), '');
  });

  test('a directory is no text, and what is too long is cut at 64 KiB', async () => {
    const { root } = node({ 'd/long': 'x'.repeat(100_000) });
    expect(await files.text(join(root, 'd'))).toEqual(missing('unreadable', 'EISDIR'));
    expect(known(await files.text(join(root, 'd/long')))).toHaveLength(65_536);
  });

  test.each([
    ['EACCES', 'no_permission'],
    ['EPERM', 'no_permission'],
    ['ESRCH', 'not_found'],
    ['EIO', 'unreadable'],
  ])('%s is %s', (code, reason) => {
    const error = Object.assign(new Error(code), { code });
    expect(missingOf(error)).toEqual({ ok: false, reason, detail: code });
  });
});

interface AnyReading {
  readonly ok: boolean;
  readonly reason?: string;
}

/** All readings of a state, also those in groups. */
function readings(state: object): readonly AnyReading[] {
  return Object.values(state).flatMap((value: unknown): readonly AnyReading[] => {
    if (typeof value !== 'object' || value === null) return [];
    return isReading(value) ? [value] : readings(value);
  });
}

const isReading = (value: object): value is AnyReading =>
  'ok' in value && typeof value.ok === 'boolean';

import { describe, expect, test } from 'vitest';
import { known, missing, present } from '../../src/contract/reading.ts';
import { acsRedirect, pathBetween } from '../../src/host/pci-chain.ts';
import { node, pci } from './tree.ts';

const ROOT = 'pci0000:3a/0000:3a:01.0';
const UP = `${ROOT}/0000:3b:00.0`;
const DOWN = `${UP}/0000:3c:00.0`;

const link = (width: number, over: Readonly<Record<string, string>> = {}) => ({
  current_link_speed: '32.0 GT/s PCIe\n',
  current_link_width: `${width}\n`,
  max_link_speed: '32.0 GT/s PCIe\n',
  max_link_width: '16\n',
  ...over,
});
const GPU = {
  vendor: '0x10de\n',
  device: '0x2330\n',
  class: '0x030200\n',
  numa_node: '1\n',
  ...link(16),
};
const bridge = (over: Readonly<Record<string, string>> = {}) => ({
  vendor: '0x1000\n',
  device: '0xc030\n',
  class: '0x060400\n',
  aer_dev_correctable: 'RxErr 4\nTOTAL_ERR_COR 4\n',
  ...link(16, over),
});

/** A configuration space with an ACS capability at 0x148 behind another at 0x100. */
function config(control: number): Buffer {
  const bytes = Buffer.alloc(4_096);
  bytes.writeUInt32LE((0x148 << 20) | (1 << 16) | 0x0001, 0x100);
  bytes.writeUInt32LE((1 << 16) | 0x000d, 0x148);
  bytes.writeUInt16LE(control, 0x148 + 6);
  return bytes;
}

describe('a GPU on the bus', () => {
  test('tells its NUMA node and slot', async () => {
    const { files, links } = pci([{ at: `${DOWN}/0000:3d:00.0`, files: GPU, driver: 'nvidia' }]);
    const slots = { 'sys/bus/pci/slots/GPU 3/address': '0000:3d:00\n' };
    const { read } = node({ ...files, ...slots }, links);
    expect(known((await read()).pciDevices)).toMatchObject([
      {
        pci: '0000:3d:00',
        driver: 'nvidia',
        numaNode: present(1),
        slot: present('GPU 3'),
      },
    ]);
  });

  test('names the bridges above it, nearest first, each with its own link', async () => {
    const { files, links } = pci([
      { at: ROOT, files: { ...bridge(), vendor: '0x8086\n', config: config(0b1_1100) } },
      { at: UP, files: bridge({ current_link_width: '8\n' }) },
      { at: DOWN, files: { ...bridge(), config: config(0) } },
      { at: `${DOWN}/0000:3d:00.0`, files: GPU },
    ]);
    const [gpu] = known((await node(files, links).read()).pciDevices) ?? [];
    expect(known(gpu?.bridges)).toMatchObject([
      { pci: '0000:3c:00', currentLinkWidth: present(16), acsRedirect: present(false) },
      {
        pci: '0000:3b:00',
        currentLinkWidth: present(8),
        acsRedirect: missing('not_found', 'ENOENT'),
      },
      {
        pci: '0000:3a:01',
        acsRedirect: present(true),
        aerCorrectable: present(4),
      },
    ]);
  });

  test('no NUMA node, no slot: each says so', async () => {
    const { files, links } = pci([
      { at: 'pci0000:00/0000:00:05.0', files: { ...GPU, numa_node: '-1\n' } },
    ]);
    expect(known((await node(files, links).read()).pciDevices)).toMatchObject([
      {
        numaNode: missing('not_supported', '-1'),
        slot: missing('not_found', 'ENOENT'),
        bridges: present([]),
      },
    ]);
  });
});

describe('ACS', () => {
  test.each([
    ['redirects', present(config(0b1_1100)), present(true)],
    ['only validates sources', present(config(0b1)), present(false)],
    ['no such capability', present(Buffer.alloc(4_096)), missing('not_supported', 'no ACS')],
    [
      'all ones',
      present(Buffer.alloc(4_096, 0xff)),
      missing('unreadable', 'the configuration space reads ff'),
    ],
    [
      'the header only',
      present(Buffer.alloc(64)),
      missing('no_permission', 'only the header of the configuration space is readable'),
    ],
    ['a circle', present(circle()), missing('not_supported', 'no ACS')],
  ])('%s', (_, bytes, reading) => {
    expect(acsRedirect(bytes)).toEqual(reading);
  });
});

/** A capability that names itself as the next. */
function circle(): Buffer {
  const bytes = Buffer.alloc(4_096);
  bytes.writeUInt32LE((0x100 << 20) | (1 << 16) | 0x0001, 0x100);
  return bytes;
}

describe('how near two functions are', () => {
  const at = (root: string, bridges: readonly string[], numa: number) => ({
    place: present({ root, bridges }),
    numaNode: present(numa),
  });
  const gpu = at('pci0000:3a', ['root', 'up', 'down1'], 0);
  test.each([
    ['PIX', at('pci0000:3a', ['root', 'up', 'down2'], 0)],
    ['PXB', at('pci0000:3a', ['root', 'up', 'down2', 'up2', 'down3'], 0)],
    ['PHB', at('pci0000:3a', ['root2', 'up3', 'down1'], 0)],
    ['NODE', at('pci0000:5a', ['root'], 0)],
    ['SYS', at('pci0000:9a', ['root'], 1)],
    ['unknown', { place: missing('not_found'), numaNode: present(0) }],
  ])('%s', (path, other) => {
    expect(pathBetween(gpu, other)).toBe(path);
    expect(pathBetween(other, gpu)).toBe(path);
  });
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { known, missing, present } from '../../src/contract/reading.ts';
import { node, pci } from './tree.ts';

const SWITCH = 'pci0000:3a/0000:3a:01.0/0000:3b:00.0';
const GPU = {
  vendor: '0x10de\n',
  class: '0x030200\n',
  numa_node: '0\n',
};
const NIC = `${SWITCH}/0000:3c:01.0/0000:3e:00.0`;
const machine = pci([
  { at: `${SWITCH}/0000:3c:00.0/0000:3d:00.0`, files: GPU, driver: 'nvidia' },
  { at: 'pci0000:9a/0000:9a:01.0/0000:9b:00.0', files: { ...GPU, numa_node: '1\n' } },
  {
    at: NIC,
    files: {
      vendor: '0x15b3\n',
      class: '0x020700\n',
      numa_node: '0\n',
      current_link_width: '16\n',
      max_link_width: '16\n',
      'net/ib0/operstate': 'up\n',
      'net/ib0/speed': '400000\n',
      'net/ib0/mtu': '4092\n',
      'net/ib0/carrier_changes': '7\n',
    },
    driver: 'mlx5_core',
  },
]);
const port = (over: Readonly<Record<string, string>> = {}) => {
  const files = {
    link_layer: 'InfiniBand\n',
    state: '4: ACTIVE\n',
    phys_state: '5: LinkUp\n',
    rate: '400 Gb/sec (4X NDR)\n',
    'counters/link_downed': '3\n',
    'counters/port_xmit_data': '123456\n',
    'counters/symbol_error': 'N/A (no PMA)\n',
    'hw_counters/roce_slow_restart': '12\n',
    ...over,
  };
  const path = 'sys/class/infiniband/mlx5_0/ports/1';
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [`${path}/${name}`, text]));
};
const nic = {
  'sys/class/infiniband/mlx5_0/fw_ver': '28.39.1002\n',
  'sys/class/infiniband/mlx5_0/board_id': 'MT_0000000838\n',
};
const links = {
  ...machine.links,
  'sys/class/infiniband/mlx5_0/device': `../../../devices/${NIC}`,
};

describe('RDMA devices', () => {
  test('an InfiniBand port, its interface, its errors and its GPUs', async () => {
    const state = await node({ ...machine.files, ...nic, ...port() }, links).read();
    expect(known(state.nics)).toMatchObject([
      {
        name: 'mlx5_0',
        kind: 'infiniband',
        pci: present('0000:3e:00'),
        driver: present('mlx5_core'),
        numaNode: present(0),
        firmware: present('28.39.1002'),
        boardId: present('MT_0000000838'),
        currentLinkWidth: present(16),
        ports: [
          {
            port: 1,
            linkLayer: present('InfiniBand'),
            state: present('ACTIVE'),
            physicalState: present('LinkUp'),
            rateGbps: present(400),
            counters: { link_downed: 3, roce_slow_restart: 12 },
          },
        ],
        interfaces: [
          {
            name: 'ib0',
            operstate: present('up'),
            speedMbps: present(400_000),
          },
        ],
        gpuPaths: [
          { gpuPci: '0000:3d:00', path: 'PIX' },
          { gpuPci: '0000:9b:00', path: 'SYS' },
        ],
      },
    ]);
  });

  test('what a port sent and received is told in octets, and only where both are', async () => {
    const counted = async (over: Readonly<Record<string, string>>) => {
      const { host } = node({ ...machine.files, ...nic, ...port(over) }, links);
      const { signal } = new AbortController();
      return (await host.counters(await host.read(signal), signal)).ports;
    };
    expect(await counted({ 'counters/port_rcv_data': '10\n' })).toMatchObject([
      { sentBytes: 493_824, receivedBytes: 40 },
    ]);
    const efa = { 'hw_counters/tx_bytes': '7\n', 'hw_counters/rx_bytes': '9\n' };
    expect(await counted(efa)).toMatchObject([{ sentBytes: 7, receivedBytes: 9 }]);
    expect((await counted({}))[0]).not.toHaveProperty('sentBytes');
  });

  test('counters are read again of what was found, and are as they are then', async () => {
    const aer = (count: number) => ({
      ...GPU,
      aer_dev_fatal: 'TOTAL_ERR_FATAL 0\n',
      aer_dev_nonfatal: 'TOTAL_ERR_NONFATAL 0\n',
      aer_dev_correctable: `RxErr ${count}\nTOTAL_ERR_COR ${count}\n`,
    });
    const gpu = pci([{ at: `${SWITCH}/0000:3c:00.0/0000:3d:00.0`, files: aer(12) }]);
    const { root, host, read } = node({ ...machine.files, ...gpu.files, ...nic, ...port() }, links);
    const first = await read();
    writeFileSync(
      join(root, 'sys/class/infiniband/mlx5_0/ports/1/hw_counters/roce_slow_restart'),
      '40\n',
    );
    expect(await host.counters(first, new AbortController().signal)).toEqual({
      ports: [{ nic: 'mlx5_0', port: 1, counters: { link_downed: 3, roce_slow_restart: 40 } }],
      aer: [
        {
          pci: '0000:3d:00',
          function: 0,
          aerFatal: present(0),
          aerNonFatal: present(0),
          aerCorrectable: present(12),
        },
        {
          pci: '0000:9b:00',
          function: 0,
          aerFatal: missing('not_found', 'ENOENT'),
          aerNonFatal: missing('not_found', 'ENOENT'),
          aerCorrectable: missing('not_found', 'ENOENT'),
        },
      ],
    });
  });

  test('Ethernet is RoCE; a port that is down says so', async () => {
    const down = port({
      link_layer: 'Ethernet\n',
      state: '1: DOWN\n',
      phys_state: '3: Disabled\n',
      rate: '2.5 Gb/sec (1X SDR)\n',
    });
    const state = await node({ ...machine.files, ...nic, ...down }, links).read();
    expect(known(state.nics)).toMatchObject([
      {
        kind: 'roce',
        ports: [
          { state: present('DOWN'), physicalState: present('Disabled'), rateGbps: present(2.5) },
        ],
      },
    ]);
  });

  test('none where the kernel has no RDMA at all; unknown without sysfs', async () => {
    expect((await node({ 'sys/class/net/lo/mtu': '1' }).read()).nics).toEqual(present([]));
    expect((await node({}).read()).nics).toEqual(missing('not_found', 'ENOENT'));
  });
});

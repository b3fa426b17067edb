import { describe, expect, test } from 'vitest';
import { parseMessage } from '../../src/xid/parse.ts';

/** As `netdev_info`, `dev_err` and `netdev_crit` of several kernels write them. */
describe('network adapters', () => {
  test.each([
    ['mlx5_core 0000:3b:00.0 ens1f0np0: Link down', 'nic_link_down', 'ens1f0np0'],
    ['mlx5_core 0000:3b:00.0 eth2: Link up', 'nic_link_up', 'eth2'],
    ['bnxt_en 0000:3b:00.0 eth0: NIC Link is Down', 'nic_link_down', 'eth0'],
    [
      'bnxt_en 0000:3b:00.0 eth0: NIC Link is Up, 200000 Mbps (PAM4 112Gbps) full duplex, Flow control: none',
      'nic_link_up',
      'eth0',
    ],
    [
      'mlx5_core 0000:3b:00.0 eth2: NETDEV WATCHDOG: CPU: 38: transmit queue 14 timed out 5160 ms',
      'nic_stalled',
      'eth2',
    ],
  ])('%s', (text, kind, name) => {
    expect(parseMessage(text)).toMatchObject({
      kind,
      pci: '0000:3b:00',
      role: 'background',
      details: { interface: name },
    });
  });

  test('a watchdog of older kernels names the interface and no address', () => {
    expect(
      parseMessage('NETDEV WATCHDOG: eth0 (mlx5_core): transmit queue 0 timed out'),
    ).toMatchObject({
      kind: 'nic_stalled',
      pci: null,
      details: { driver: 'mlx5_core', interface: 'eth0', queue: 0 },
    });
  });

  test.each([
    [
      'mlx5_core 0000:12:00.0: Port module event: module 0, Cable unplugged',
      { module: 0, status: 'Cable unplugged', error: null },
    ],
    [
      'mlx5_core 0000:12:00.0: port_module:253:(pid 0): Port module event[error]: module 0, Cable error, Bad or shorted cable/module',
      { module: 0, status: 'Cable error', error: 'Bad or shorted cable/module' },
    ],
    [
      'mlx5_core 0000:12:00.0: Port module event[error]: module 1, Cable error, High Temperature',
      { module: 1, status: 'Cable error', error: 'High Temperature' },
    ],
  ])('%s', (text, details) => {
    expect(parseMessage(text)).toMatchObject({ kind: 'nic_module', pci: '0000:12:00', details });
  });

  test.each([
    "mlx5_core 0000:d2:00.0: poll_health:800:(pid 0): device's health compromised - reached miss count",
    "mlx5_core 0000:d2:00.0: poll_health:174: device's health compromised - reached miss count.",
    'mlx5_core 0000:d2:00.0: wait_func:964:(pid 112): ENABLE_HCA(0x104) timeout. Will cause a leak of a command resource',
    'mlx5_core 0000:d2:00.0: print_health_info:430:(pid 0): synd 0x8: unrecoverable hardware error',
  ])('a firmware that does not answer: %s', text => {
    expect(parseMessage(text)).toMatchObject({ kind: 'nic_health', pci: '0000:d2:00' });
  });

  test.each([
    'usb 1-1: Product: mlx5_core 0000:3b:00.0 eth2: Link down',
    'audit: comm="mlx5_core 0000:3b:00.0 eth2: Link down"',
    'mlx5_core 0000:3b:00.0: firmware version: 28.39.1002',
    'mlx5_core 0000:3b:00.0 eth2: Link down by request of SYSTEM',
  ])('is no line of an adapter: %s', text => {
    expect(parseMessage(text)).toBeUndefined();
  });
});

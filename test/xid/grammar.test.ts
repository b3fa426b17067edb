import { describe, expect, test } from 'vitest';
import { mayConcernUs } from '../../src/xid/anchors.ts';
import { parseMessage } from '../../src/xid/parse.ts';

const NV = 'NVRM: Xid (PCI:0000:3b:00): ';

describe('the envelope of an XID', () => {
  test.each([
    [`${NV}43, pid=7, name=my, app, Ch 00000010`, 7, 'my, app'],
    [`${NV}43, pid=7, name=nvc:[driver], Ch 00000010`, 7, 'nvc:[driver]'],
    [
      `${NV}13, pid=7, name=ray::WorkerDict, Graphics SM Warp Exception on (GPC 1, TPC 0): x`,
      7,
      'ray::WorkerDict',
    ],
    [
      `${NV}109, pid=8494,   name=RenderThread, channel 0x0000000d, CTX SWITCH TIMEOUT, Info 0x1`,
      8494,
      'RenderThread',
    ],
    [`${NV}43, pid=7, name=it's "x", Ch 00000010`, 7, `it's "x"`],
    [`${NV}43, pid=7, name=a b c, Ch 00000010`, 7, 'a b c'],
    [
      `${NV}63, pid=1896, Row Remapper: New row marked for remapping, reset gpu to activate.`,
      1896,
      null,
    ],
    [`${NV}43, pid='<unknown>', name=<unknown>, Ch 00000010`, null, null],
    [`${NV}79, pid=0, name=swapper/3, GPU has fallen off the bus.`, null, null],
    [`${NV}43, pid=99999999, name=x, Ch 00000010`, null, 'x'],
    [`${NV}43, pid=7, name=x, `, 7, 'x'],
    [`${NV}999, pid=7, name=a, b: text of a form that nobody knows`, 7, 'a'],
  ])('%s', (text, pid, process) => {
    expect(parseMessage(text)).toMatchObject({ kind: 'xid', pci: '0000:3b:00', pid, process });
  });

  test.each([
    ['NVRM: Xid (0001:00): 8, Channel 00000002', '0000:01:00'],
    ['NVRM: Xid (0000:01:00): 31, Ch 00000010', '0000:01:00'],
    ['NVRM: Xid (PCI:000B:00:00): 79, GPU has fallen off the bus.', '000b:00:00'],
    ['NVRM: Xid (PCI:10000:01:00): 79, GPU has fallen off the bus.', '10000:01:00'],
    ['NVRM: Xid (PCI:0000:10:1c): 79, GPU has fallen off the bus.', '0000:10:1c'],
  ])('%s has its GPU at %s', (text, pci) => {
    expect(parseMessage(text)).toMatchObject({ kind: 'xid', pci });
  });

  test.each([
    `${NV}79`,
    'NVRM: Xid (PCI:0000:3b:00): 43, pid=7, name=pyth',
    'NVRM: Xid (PCI:0000:3b:00): 43, pid=7',
  ])('a line cut in its envelope says so: %s', text => {
    expect(parseMessage(text)).toMatchObject({
      kind: 'xid',
      details: { truncated: true },
      verdict: { confidence: 'low' },
    });
  });

  test.each(['NVRM: Xid (PCI:0000:3b', 'NVRM: Xid (PCI:0000:3b:00): ', 'NVRM: Xid (??): 79, x'])(
    'a line that cannot be read is no event of a number: %s',
    text => {
      expect(parseMessage(text)).toMatchObject({
        kind: 'xid_unreadable',
        xid: null,
        details: { truncated: true },
      });
    },
  );

  test('a number that no catalogue has is an event, never dropped and never critical', () => {
    expect(parseMessage(`${NV}999, something new`)).toMatchObject({
      xid: 999,
      verdict: {
        severity: 'info',
        action: 'watch',
        title: 'not in the catalogue (edition 610)',
      },
    });
  });
});

describe('SXid lines', () => {
  test('the guide counts before the printed word', () => {
    const of = (text: string) => parseMessage(`nvidia-nvswitch0: SXid (PCI:0000:06:00.0): ${text}`);
    expect(of('12028, Non-fatal, Link 32 egress non-posted PRIV error')?.verdict).toMatchObject({
      severity: 'critical',
      action: 'reboot_node',
    });
    expect(of('12020, Fatal, Link 02 egress sequence ID error')?.verdict.action).toBe(
      'reboot_node',
    );
    expect(of('19084, Non-fatal, Link 4 AN1 Heartbeat Timeout Error')?.verdict.severity).toBe(
      'critical',
    );
    expect(of('22013, Non-fatal, Link 1 Minion Link DLREQ interrupt')?.verdict.severity).toBe(
      'info',
    );
    expect(of('11001, Fatal, Link 3 ingress invalid command (First)')?.details).toMatchObject({
      severity: 'Fatal',
      link: 3,
      text: 'ingress invalid command',
      first: true,
    });
  });

  test('free text without a word of severity and with an instance is read', () => {
    const text =
      'nvidia-nvswitch2: SXid (PCI:0000:07:00.0): 10003, Fatal, Host thing, instance=1, chiplet=2';
    expect(parseMessage(text)?.details).toMatchObject({ instance: 1, chiplet: 2, link: null });
    const free = 'nvidia-nvswitch2: SXid (PCI:0000:07:00.0): 26007, SOE EXTERR';
    expect(parseMessage(free)).toMatchObject({
      sxid: 26007,
      details: { severity: null, text: 'SOE EXTERR' },
    });
  });
});

describe('other messages of the driver and the host', () => {
  const ROWS: readonly (readonly [text: string, expected: Record<string, unknown>])[] = [
    [
      'NVRM: GPU6 _kgspBootGspRm: unexpected WPR2 already up, cannot proceed with booting GSP\nNVRM: (the GPU is likely in a bad state and may need to be reset)',
      { kind: 'gsp_boot_failed', details: { gpu_index: 6 }, verdict: { action: 'reset_gpu' } },
    ],
    [
      'NVRM: The NVIDIA GPU 0000:b3:00.0\nNVRM: (PCI ID: 10de:26b5) installed in this system has\nNVRM: fallen off the bus and is not responding to commands.',
      { kind: 'gpu_lost', pci: '0000:b3:00', details: { pci_id: '10de:26b5' } },
    ],
    ['NVRM: The NVIDIA probe routine failed for 1 device(s).', { kind: 'probe_failed' }],
    [
      'NVRM: The NVIDIA probe routine was not called for 2 device(s).\nNVRM: This can occur when a driver such as: \nNVRM: nouveau, rivafb, nvidiafb or rivatv',
      { kind: 'probe_not_called', details: { devices: 2 }, verdict: { blame: 'configuration' } },
    ],
    [
      'NVRM: API mismatch: the client has the version 470.129.06, but\nNVRM: this kernel module has the version 418.226.00.  Please\nNVRM: make sure that this kernel module and all NVIDIA driver\nNVRM: components have the same version.',
      { kind: 'api_mismatch', details: { client: '470.129.06', module: '418.226.00' } },
    ],
    [
      "NVRM: API mismatch: the client 'nvidia-smi' (pid 12345)\nNVRM: has the version 550.54.14, but this kernel module has\nNVRM: the version 535.161.07.  Please make sure that this\nNVRM: kernel module and all NVIDIA driver components\nNVRM: have the same version.",
      {
        kind: 'api_mismatch',
        pid: 12345,
        process: 'nvidia-smi',
        details: { client: '550.54.14', module: '535.161.07' },
      },
    ],
    [
      'NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.195.03  Release Build  (root@b)',
      { kind: 'driver_load', details: { version: '570.195.03', open: true } },
    ],
    [
      'NVRM: loading NVIDIA UNIX x86_64 Kernel Module  390.48  Thu Mar 22 00:42:57 PDT 2018',
      { kind: 'driver_load', details: { version: '390.48', open: false } },
    ],
    [
      'NVRM: Rate limiting GSP RPC error prints for GPU at PCI:0000:9b:00 (printing 1 of every 30).  The GPU likely needs to be reset.',
      { kind: 'gsp_rate_limit', pci: '0000:9b:00', details: { every: 30 } },
    ],
    [
      'nvidia-peermem nv_get_p2p_free_callback:127 ERROR detected invalid context, skipping further processing',
      { kind: 'peermem', verdict: { severity: 'info' } },
    ],
    [
      "NVRM: knvlinkDiscoverPostRxDetLinks_GH100: Getting peer0's postRxDetLinkMask failed!",
      { kind: 'nvlink_driver', verdict: { blame: 'fabric' } },
    ],
    [
      'nvidia 0000:3b:00.0: AER: PCIe Bus Error: severity=Uncorrectable (Fatal), type=Transaction Layer, (Requester ID)',
      { kind: 'aer', pci: '0000:3b:00', details: { severity: 'fatal', agent: 'Requester ID' } },
    ],
    [
      'pcieport 0000:00:01.0: AER: Multiple Uncorrectable (Non-Fatal) error received: 0000:01:00.0',
      { kind: 'aer', pci: '0000:01:00', details: { severity: 'nonfatal', multiple: true } },
    ],
    [
      'pcieport 0000:00:01.0: AER: Correctable error message received from 0000:01:00.0',
      { kind: 'aer', pci: '0000:01:00', details: { severity: 'corrected' } },
    ],
    [
      'pcieport 0000:00:1c.0: AER: Corrected error received: id=00e5',
      { kind: 'aer', pci: '0000:00:1c', details: { pci_raw: '0000:00:1c.5' } },
    ],
    [
      'DMAR: [DMA Read NO_PASID] Request device [04:00.0] fault addr 0xfff01000 [fault reason 0x05] PTE Read access is not set',
      { kind: 'iommu_fault', pci: '0000:04:00', details: { operation: 'Read', reason: 5 } },
    ],
    [
      'DMAR: [DMA Write] Request device [0x00:0x02.0] fault addr 0x1000',
      { kind: 'iommu_fault', pci: '0000:00:02', details: { operation: 'Write' } },
    ],
    [
      'AMD-Vi: Event logged [IO_PAGE_FAULT device=02:00.0 domain=0x0010 address=0xfffff000 flags=0x0020]',
      { kind: 'iommu_fault', pci: '0000:02:00', details: { address: '0xfffff000' } },
    ],
    [
      'nouveau 0000:c1:00.0: gsp: Xid:56 CMDre 00000000 00000130',
      { kind: 'nouveau', xid: null, pci: '0000:c1:00', details: { nouveau_xid: 56 } },
    ],
    [
      'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0-1,oom_memcg=/kubepods,task_memcg=/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b2c3d_1111_2222_3333_444455556666.slice/cri-containerd-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope,task=my,job,pid=863987,uid=0',
      {
        kind: 'oom',
        pid: 863987,
        process: 'my,job',
        details: {
          pod_uid: '0a1b2c3d-1111-2222-3333-444455556666',
          container_id: '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
        },
        verdict: { blame: 'host' },
      },
    ],
    [
      'Memory cgroup out of memory: Killed process 863987 (python3) total-vm:11kB, anon-rss:1kB',
      { kind: 'oom', pid: 863987, process: 'python3' },
    ],
    [
      'EDAC MC3: 1 UE memory read error on CPU_SrcID#1_MC#0_Chan#1_DIMM#0 (channel:1 slot:0)',
      { kind: 'edac', details: { controller: 'MC3', count: 1, type: 'UE' } },
    ],
    ['mce: [Hardware Error]: Machine check events logged', { kind: 'mce' }],
    [
      'INFO: task nvidia-smi:12345 blocked for more than 120 seconds.',
      { kind: 'hung_task', pid: 12345, process: 'nvidia-smi', verdict: { blame: 'host' } },
    ],
    [
      'INFO: task python3:12345 blocked for more than 120 seconds.\n rm_ioctl+0x40/0x50 [nvidia]',
      {
        kind: 'hung_task',
        details: { seconds: 120, blocked_in: 'nvidia' },
        verdict: { blame: 'driver', action: 'reboot_node' },
      },
    ],
    [
      'INFO: task nvidia-smi:12345 blocked for more than 120 seconds.\n ? rm_ioctl+0x40/0x50 [nvidia]\n nfs_wait_bit_killable+0x1e/0x90 [nfs]',
      { kind: 'hung_task', details: { seconds: 120 }, verdict: { blame: 'host' } },
    ],
    [
      'mlx5_core 0000:9c:00.0: 252.056 Gb/s available PCIe bandwidth, limited by 32.0 GT/s PCIe x8 link at 0000:97:01.0 (capable of 504.112 Gb/s with 32.0 GT/s PCIe x16 link)',
      { kind: 'pcie_bandwidth', pci: '0000:9c:00', details: { width: 8 } },
    ],
    [
      'detected NVSwitch non-fatal error 12028 on fid 0 on NVSwitch pci bus id 00000000:86:00.0 physical id 3 port 61',
      { kind: 'fabric_manager', sxid: 12028, pci: '0000:86:00', details: { link: 61 } },
    ],
    [
      // akash-network/website pull request 632.
      "fabric manager NVIDIA GPU driver interface version 550.127.05 don't match with driver version 550.120. Please update with matching NVIDIA driver package.",
      {
        ...{ kind: 'fabric_manager_version', details: { own: '550.127.05', driver: '550.120' } },
        verdict: { blame: 'configuration', action: 'fix_configuration', severity: 'info' },
      },
    ],
  ];

  test.each(ROWS)('%s', (text, expected) => {
    expect(mayConcernUs(text)).toBe(true);
    expect(parseMessage(text)).toMatchObject(expected);
  });

  test.each([
    'perf: interrupt took too long (9494 > 8945), lowering kernel.perf_event_max_sample_rate',
    'python3[123]: segfault at 0 ip 00007f sp 00007f error 4 in libc-2.31.so[7f7c7ac00000+d3d3000]',
    'usb 1-1: new high-speed USB device number 2 using xhci_hcd',
    'systemd[1]: Started NVIDIA Persistence Daemon.',
    '',
  ])('no event: %s', text => {
    expect(parseMessage(text)).toBeUndefined();
  });
});

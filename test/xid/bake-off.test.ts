import { expect, test } from 'vitest';
import { parseMessage } from '../../src/xid/parse.ts';

/**
 * What four parsers make of the same lines; ours last. The expressions are facts of their sources:
 * ArangoGutierrez/k8s-gpu-mcp-server pkg/xid (which first asks for the word NVRM),
 * leptonai/gpud xid component (number and device), facebookresearch/gcm check-syslogs, and the
 * one expression that does best on these lines.
 */
const OTHERS = {
  seed: (text: string) =>
    text.includes('NVRM') ? /Xid \(PCI:([0-9a-fA-F:.]+)\):\s*(\d+)/.exec(text)?.[2] : undefined,
  gpud: (text: string) =>
    /NVRM: Xid \(((?:PCI:)?[0-9a-fA-F:]+)\)/.test(text)
      ? /NVRM: Xid.*?: (\d+),/.exec(text)?.[1]
      : undefined,
  gcm: (text: string) => /NVRM: Xid \([^)]+\): (\d+)/.exec(text)?.[1],
  single: (text: string) =>
    /NVRM: Xid \((?:PCI:)?([0-9a-f:]+)(?: GPU-I:(\d+))?(?: GPU-CI:(\d+))?\): (\d+),\s*(?:pid=([^,]*), name=(.*?), )?(.*?)(?: caused by previous Xid (\d+))?$/i.exec(
      text,
    )?.[4],
} as const;

type Row = readonly [
  text: string,
  others: Readonly<Record<keyof typeof OTHERS, number | null>>,
  ours: Readonly<Record<string, unknown>>,
];

const all = (code: number | null) => ({ seed: code, gpud: code, gcm: code, single: code });

const ROWS: readonly Row[] = [
  ['NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.', all(79), { xid: 79 }],
  [
    'NVRM: Xid (PCI:0000:3b:00): 31, pid=4242, name=python3, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f24_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ',
    all(31),
    { xid: 31, pid: 4242, process: 'python3' },
  ],
  [
    "NVRM: Xid (PCI:0000:05:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
    all(79),
    { xid: 79, pid: null, process: null },
  ],
  [
    'NVRM: Xid (PCI:0000:3b:00 GPU-I:05): 94, pid=7, name=x, Contained: SM (0x1). RST: No, D-RST: No',
    { seed: null, gpud: null, gcm: 94, single: 94 },
    { xid: 94, mig: { gpuInstance: 5, computeInstance: null } },
  ],
  [
    'NVRM: Xid (PCI:0000:3b:00 GPU-I:05 GPU-CI:00): 43, pid=7, name=x, Ch 00000010',
    { seed: null, gpud: null, gcm: 43, single: 43 },
    { xid: 43, mig: { gpuInstance: 5, computeInstance: 0 } },
  ],
  [
    'NVRM: Xid (PCI:0018:01:00): 149, NETIR_LINK_EVT Fatal XC0 i0 Link 08 (0x004505c6 0x00000000 0x00000000 0x00000000 0x00000000 0x00000000)',
    all(149),
    { xid: 149, details: { link: 8, reason_bits_25_20: 4, rule: { resolution: 'RESET_GPU' } } },
  ],
  [
    'NVRM: Xid (PCI:0000:3b:00): 154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)',
    all(154),
    { xid: 154, details: { from_code: 0, to_code: 1 }, verdict: { action: 'reset_gpu' } },
  ],
  [
    'NVRM: Xid (PCI:0000:3b:00): 45, pid=4242, name=python3, Ch 00000008 caused by previous Xid 48',
    all(45),
    { xid: 45, details: { channel: 8, caused_by_xid: 48 } },
  ],
  [
    'NVRM: Xid (PCI:0000:3b:00): 13, pid=1, name=my,app, Graphics Exception: ESR 0x57c730=0xc04000b',
    all(13),
    { xid: 13, process: 'my,app' },
  ],
  [
    'NVRM: Xid (0000:03:00): 14, Channel 00000001',
    { seed: null, gpud: 14, gcm: 14, single: 14 },
    { xid: 14, pci: '0000:03:00', details: { channel: 1 } },
  ],
  [
    'nvidia-nvswitch0: SXid (PCI:0000:86:00.0): 12028, Non-fatal, Link 32 egress non-posted PRIV error',
    all(null),
    { kind: 'sxid', sxid: 12028, xid: null, verdict: { severity: 'critical' } },
  ],
  [
    'NVRM: GPU 0000:18:00.0: GPU has fallen off the bus.',
    all(null),
    { kind: 'fallen_off_bus', pci: '0000:18:00', verdict: { action: 'reboot_node' } },
  ],
  [
    'NVRM: The NVIDIA GPU 0000:18:00.0 (PCI ID: 10de:2330) installed in this system has\nNVRM: fallen off the bus and is not responding to commands.',
    all(null),
    { kind: 'gpu_lost', pci: '0000:18:00', verdict: { action: 'reboot_node' } },
  ],
];

test.each(ROWS)('%s', (text, others, ours) => {
  const found = Object.fromEntries(
    Object.entries(OTHERS).map(([name, read]) => {
      const digits = read(text);
      return [name, digits === undefined ? null : Number(digits)];
    }),
  );
  expect(found).toEqual(others);
  expect(parseMessage(text)).toMatchObject(ours);
});

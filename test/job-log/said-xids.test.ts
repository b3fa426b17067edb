import { expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

const xidsOf = (...lines: string[]) =>
  readJobLog({
    ...{ container: 'main', previous: false, requests: 1, bytes: 100, cut: false },
    text: lines.map(line => `2026-03-01T11:30:01.5Z ${line}\n`).join(''),
  }).xids?.map(({ code, pci }) => (pci === undefined ? `${code}` : `${code} at ${pci}`));

// Forms: NVIDIA/k8s-device-plugin internal/rm/health.go; kubernetes/node-problem-detector pkg/logmonitor; DCGM's
// policies as dcgm-exporter and gpud write such; open-gpu-kernel-modules for the driver's own.
test.each([
  [
    "[1833391.620113] NVRM: Xid (PCI:0000:bb:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
    '79 at 0000:bb:00',
  ],
  [
    'dcgm-sidecar: kmsg: NVRM: Xid (PCI:0008:01:00): 95, pid=55121, name=pt_main_thread, Uncontained: FBHUB. RST: Yes, D-RST: No',
    '95 at 0008:01:00',
  ],
  [
    'ts=2026-03-01T11:30:01Z caller=kmsg.go:41 level=warn msg="NVRM: Xid (PCI:0000:5d:00): 95, pid=7, name=python3, Uncontained: FBHUB. RST: Yes, D-RST: No"',
    '95 at 0000:5d:00',
  ],
  [
    'I1105 03:38:45.900872       1 log_monitor.go:159] New status generated: &{Source:kernel-monitor Events:[{Severity:warn Reason:GPUXid Message:NVRM: Xid (PCI:0000:41:00): 48, pid=311, name=pw.x, An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at partition 3, subpartition 0.}]}',
    '48 at 0000:41:00',
  ],
  [
    'gpu-agent: Xid (PCI:0000:47:00): 94, pid=887, name=ray, Contained: SM (0x1)',
    '94 at 0000:47:00',
  ],
  [
    'time="2026-11-25T09:50:02Z" level=warning msg="policy violation" gpu=0 uuid=GPU-8cb1aa41 condition=XID value=95 detail="Uncontained ECC error"',
    '95',
  ],
  [
    'I0301 11:30:01.123456       1 health.go:142] XidCriticalError: Xid=79 on Device=GPU-8cb1aa41-1111-2222-3333-444455556666; marking device as unhealthy.',
    '79',
  ],
  ['{"level":"error","xid":48,"gpu":"0000:3b:00.0","msg":"xid event"}', '48 at 0000:3b:00'],
  ['nvidia-gpu-health: XID error 79 detected on GPU 3', '79'],
])('a line tells of an XID: %s', (line, xid) => {
  expect(xidsOf(line)).toEqual([xid]);
});

test.each([
  'I0301 health.go:60] Ignoring the following XIDs for health checks: map[13:true 31:true 43:true 45:true 68:true]',
  'DCGM_FI_DEV_XID_ERRORS{gpu="0"} 0',
  'no xid since 11:30:01',
  'found xid code: 94',
  'gpu-watch: watching: xid=79 xid=94 -> alert',
  'gpu-watch: watching xid 79 of all GPUs',
  'no XID error 79 found on GPU 3',
  'ignoring xid errors 79 of GPU 3',
  'postgres: xid 43',
  'dhcp: xid 48',
  'xid errors: 0',
  'XID 79.5 % of all',
  'xid 999',
  'step 79 loss 2.1',
])('a line tells of none: %s', line => {
  expect(xidsOf(line)).toBeUndefined();
});

test('each of a GPU is told once, with the time and the words of its first line', () => {
  const line = (pci: string, code: number) => `NVRM: Xid (PCI:${pci}): ${code}, pid=7, name=python`;
  const { xids } = readJobLog({
    ...{ container: 'main', previous: false, requests: 1, bytes: 100, cut: false },
    text: [
      `2026-03-01T11:30:01Z ${line('0000:3b:00', 48)}`,
      `2026-03-01T11:30:02Z ${line('0000:3b:00', 48)}`,
      `2026-03-01T11:30:03Z ${line('0000:86:00', 48)}`,
      `2026-03-01T11:30:04Z ${line('0000:3b:00', 64)}`,
    ].join('\n'),
  });
  expect(xids).toEqual([
    {
      ...{ code: 48, pci: '0000:3b:00', at: '2026-03-01T11:30:01Z' },
      text: line('0000:3b:00', 48),
    },
    {
      ...{ code: 48, pci: '0000:86:00', at: '2026-03-01T11:30:03Z' },
      text: line('0000:86:00', 48),
    },
    {
      ...{ code: 64, pci: '0000:3b:00', at: '2026-03-01T11:30:04Z' },
      text: line('0000:3b:00', 64),
    },
  ]);
});

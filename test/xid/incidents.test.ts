import { describe, expect, test } from 'vitest';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { Incident, KernelEvent } from '../../src/xid/events.ts';
import { record, records } from './fixtures.ts';

type Row = readonly [seconds: number, text: string];
const xid = (bus: string, rest: string) => `NVRM: Xid (PCI:0000:${bus}:00): ${rest}`;
const UNKNOWN = "pid='<unknown>', name=<unknown>";

function analyze(rows: readonly Row[]) {
  const analysis = createAnalysis();
  for (const each of records(rows)) analysis.see(each);
  const result = analysis.finish();
  for (const event of result.events) KernelEvent.parse(event);
  for (const incident of result.incidents) Incident.parse(incident);
  return result;
}

const short = (rows: readonly Row[]) =>
  analyze(rows).incidents.map(({ root, action, lines }) => ({
    xid: root.xid ?? root.sxid ?? root.kind,
    pci: root.pci,
    action,
    lines,
  }));

describe('one incident per real cause', () => {
  test('a job clean-up that prints 45 eight times is one incident with nothing to do', () => {
    const rows = Array.from(
      { length: 8 },
      (_, gpu): Row => [
        100 + gpu / 10,
        xid(`${gpu + 1}a`, `45, pid=${4000 + gpu}, name=python3, Ch 00000008`),
      ],
    );
    const { incidents } = analyze(rows);
    expect(incidents).toHaveLength(1);
    expect(incidents[0]).toMatchObject({
      root: { xid: 45 },
      action: 'none',
      severity: 'info',
      count: 8,
      lines: [1, 2, 3, 4, 5, 6, 7, 8],
    });
    expect(incidents[0]?.counterEvidence.join(' ')).toMatch(/Fabric Manager/);
  });

  test('a lost GPU, its companions and the end of its job on the other GPUs are one', () => {
    expect(
      short([
        [10, 'NVRM: GPU at PCI:0000:3b:00: GPU-4e391288-897c-ba5d-6944-dfbea55ebcfa'],
        [10, 'NVRM: GPU Board Serial Number: 1653723052734'],
        [10, xid('3b', `79, ${UNKNOWN}, GPU has fallen off the bus.`)],
        [10, 'NVRM: GPU 0000:3b:00.0: GPU has fallen off the bus.'],
        [10, 'NVRM: GPU 0000:3b:00.0: GPU serial number is 1653723052734.'],
        [
          11,
          xid(
            '3b',
            '154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)',
          ),
        ],
        [12, xid('86', '45, pid=4, name=python3, Ch 00000008')],
      ]),
    ).toEqual([
      { xid: 79, pci: '0000:3b:00', action: 'reboot_node', lines: [1, 2, 3, 4, 5, 6, 7] },
    ]);
  });

  test('two GPUs that fail on their own are two, and the worse comes first', () => {
    expect(
      short([
        [10, xid('3b', '31, pid=1, name=a, Ch 00000003, engmask 00000101, intr 10000000')],
        [11, xid('86', `79, ${UNKNOWN}, GPU has fallen off the bus.`)],
        [12, xid('3b', '43, pid=1, name=a, Ch 00000003')],
      ]),
    ).toEqual([
      { xid: 79, pci: '0000:86:00', action: 'reboot_node', lines: [2] },
      { xid: 31, pci: '0000:3b:00', action: 'restart_app', lines: [1, 3] },
    ]);
  });

  test('the same program error an hour later is another incident', () => {
    const fault = (pid: number) =>
      xid('3b', `31, pid=${pid}, name=a, Ch 00000003, engmask 00000101, intr 10000000`);
    expect(
      short([
        [10, fault(1)],
        [3_610, fault(2)],
      ]),
    ).toHaveLength(2);
  });

  test('a burst goes on while its silence is below three minutes', () => {
    const rows = Array.from(
      { length: 20 },
      (_, at): Row => [
        at * 170,
        xid(
          '9b',
          '119, pid=1, name=nvidia-smi, Timeout after 6s of waiting for RPC response from GPU4 GSP! Expected function 76 (GSP_RM_CONTROL) (0x20801813 0x4c).',
        ),
      ],
    );
    const { incidents } = analyze(rows);
    expect(incidents).toHaveLength(1);
    expect(incidents[0]).toMatchObject({ root: { xid: 119 }, count: 20, lastLine: 20 });
    expect(incidents[0]?.counterEvidence.join(' ')).toMatch(/only waited for the GPU/);
  });

  test('a program in one MIG instance does not explain the fault of one in another', () => {
    const mig = (instance: string, pid: number) =>
      `NVRM: Xid (PCI:0000:3b:00 GPU-I:${instance}): 13, pid=${pid}, name=a, Graphics SM Warp Exception on (GPC 1, TPC 0): x`;
    expect(
      short([
        [1, mig('05', 1)],
        [2, mig('06', 2)],
      ]),
    ).toHaveLength(2);
  });

  test('each open of a broken GPU repeats one incident', () => {
    const rows = Array.from(
      { length: 30 },
      (_, at): Row => [at * 600, 'NVRM: GPU 0000:a1:00.0: RmInitAdapter failed! (0x62:0x40:2168)'],
    );
    expect(analyze(rows).incidents.map(incident => incident.count)).toEqual([30]);
  });

  test('a failure to boot the GSP belongs to the failure to start of its GPU', () => {
    expect(
      short([
        [
          1,
          'NVRM: GPU6 _kgspBootGspRm: unexpected WPR2 already up, cannot proceed with booting GSP',
        ],
        [1, 'NVRM: (the GPU is likely in a bad state and may need to be reset)'],
        [1, 'NVRM: GPU 0000:a1:00.0: RmInitAdapter failed! (0x62:0x40:2168)'],
        [1, 'NVRM: GPU 0000:a1:00.0: rm_init_adapter failed, device minor number 6'],
      ]),
    ).toEqual([
      { xid: 'gsp_boot_failed', pci: '0000:a1:00', action: 'reset_gpu', lines: [1, 3, 4] },
    ]);
  });

  test('a process that the kernel ended for memory is the cause of its clean-up', () => {
    expect(
      short([
        [1, 'python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=984'],
        [
          1,
          'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/k,task_memcg=/k,task=python3,pid=77,uid=0',
        ],
        [1, 'Memory cgroup out of memory: Killed process 77 (python3) total-vm:1kB, anon-rss:1kB'],
        [30, xid('3b', '45, pid=77, name=python3, Ch 00000008')],
      ]),
    ).toEqual([{ xid: 'oom', pci: '0000:3b:00', action: 'restart_app', lines: [1, 2, 3, 4] }]);
  });

  test('a switch failure comes before the clean-up of its GPUs', () => {
    expect(
      short([
        [
          1,
          'nvidia-nvswitch0: SXid (PCI:0000:86:00.0): 12028, Non-fatal, Link 32 egress non-posted PRIV error',
        ],
        [
          1,
          'nvidia-nvswitch0: SXid (PCI:0000:86:00.0): 12028, Severity 0 Engine instance 32 Sub-engine instance 00',
        ],
        [1, 'nvidia-nvswitch0: SXid (PCI:0000:86:00.0): 12028, Data {0x1, 0x2}'],
        [2, xid('3b', '45, pid=1, name=python3, Ch 00000008')],
        [2, xid('4c', '45, pid=2, name=python3, Ch 00000008')],
      ]),
    ).toEqual([{ xid: 12028, pci: '0000:86:00', action: 'reboot_node', lines: [1, 2, 3, 4, 5] }]);
  });
});

describe('the verdict', () => {
  test('XID 154 counts before the catalogue, and the difference is told', () => {
    const { incidents } = analyze([
      [1, xid('3b', `79, ${UNKNOWN}, GPU has fallen off the bus.`)],
      [
        1,
        xid('3b', '154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)'),
      ],
    ]);
    expect(incidents[0]).toMatchObject({
      root: { xid: 79 },
      action: 'reset_gpu',
      actionSource: 'XID 154 of the driver (0x1)',
      confidence: 'high',
    });
    expect(incidents[0]?.disagreement.join(' ')).toMatch(/XID 79 alone says reboot_node/);
  });

  test('XID 154 to 0x0 withdraws what was asked for, and the next error is a new incident', () => {
    const rows: Row[] = [
      [1, xid('3b', '48, An uncorrectable double bit error (DBE) has been detected on GPU.')],
      [
        2,
        xid('3b', '154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)'),
      ],
      [
        60,
        xid('3b', '154, GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)'),
      ],
      [65, xid('3b', '31, pid=1, name=a, Ch 00000003, engmask 00000101, intr 10000000')],
    ];
    const { incidents } = analyze(rows);
    expect(incidents.map(({ root, action, severity }) => [root.xid, action, severity])).toEqual([
      [31, 'restart_app', 'warning'],
      [48, 'none', 'info'],
    ]);
    expect(incidents[1]?.sinceThen).toMatch(/withdrew its recovery action.*since then 1 XID/);
  });

  test('what XID 154 would decide is the application’s restart where there is none', () => {
    const text =
      '145, RLW_SRC_TRACK Nonfatal XC1 i0 Link 17 (0x04084507 0x00000004 0x00000000 0x00000000 0x00000000 0x00000000)';
    expect(short([[1, xid('c5', text)]])[0]?.action).toBe('restart_app');
    const asks = '154, GPU recovery action changed from 0x0 (None) to 0x4 (Drain and Reset)';
    expect(
      short([
        [1, xid('c5', text)],
        [1, xid('c5', asks)],
      ])[0]?.action,
    ).toBe('drain_and_reset');
  });

  test('the cause that a clean-up names is the root, also where its line is gone', () => {
    const line = xid('3b', '45, pid=1, name=python3, Ch 00000008 caused by previous Xid 48');
    const { incidents } = analyze([[1, line]]);
    expect(incidents[0]).toMatchObject({
      root: { kind: 'xid', xid: 48, pci: '0000:3b:00' },
      first: { xid: 45 },
      action: 'reset_gpu',
    });
    expect(incidents[0]?.why).toMatch(/its own line is gone/);
  });

  test('a context-switch time-out of several programs is the GPU’s own', () => {
    const timeout = (pid: number) =>
      xid(
        'cb',
        `109, pid=${pid}, name=p${pid}, Ch 00000008, errorString CTX SWITCH TIMEOUT, Info 0x58005`,
      );
    expect(
      short([
        [1, timeout(1)],
        [2, timeout(2)],
      ])[0],
    ).toMatchObject({ xid: 109, action: 'reset_gpu' });
    const fault = xid(
      'cb',
      '13, pid=1, name=p1, Graphics SM Warp Exception on (GPC 7, TPC 7, SM 0): x',
    );
    expect(
      short([
        [1, fault],
        [2, timeout(1)],
      ])[0],
    ).toMatchObject({ xid: 13, action: 'restart_app' });
    expect(
      short([
        [1, fault],
        [2, timeout(9)],
      ])[0],
    ).toMatchObject({ xid: 109, action: 'reset_gpu' });
  });

  test('several programs that fault on one GPU make its hardware a suspect', () => {
    const fault = (pid: number) =>
      xid('3b', `31, pid=${pid}, name=job${pid}, Ch 00000003, engmask 00000101, intr 10000000`);
    const { incidents } = analyze([
      [1, fault(1)],
      [5_000, fault(2)],
    ]);
    expect(incidents.map(incident => incident.confidence)).toEqual(['low', 'low']);
    expect(incidents[0]?.counterEvidence.join(' ')).toMatch(/Several programs \(2\)/);
  });

  test('the first event in time is told where it is not the root', () => {
    const { incidents } = analyze([
      [1, xid('3b', '31, pid=1, name=a, Ch 00000003, engmask 00000101, intr 10000000')],
      [5, xid('3b', '62, 1d6e(35f8) 00000000 00000000')],
    ]);
    expect(incidents[0]).toMatchObject({ root: { xid: 62 }, first: { xid: 31 } });
    expect(incidents[0]?.why).toMatch(/XID 31 came first in time, 4 s before/);
  });

  test('errors of the host at the same time speak against the GPU', () => {
    const { incidents } = analyze([
      [1, 'pcieport 0000:3a:00.0: AER: Corrected error received: 0000:3b:00.0'],
      [2, xid('3b', `79, ${UNKNOWN}, GPU has fallen off the bus.`)],
    ]);
    expect(incidents).toHaveLength(1);
    expect(incidents[0]?.counterEvidence.join(' ')).toMatch(/host reported errors.*aer/);
  });
});

describe('since then', () => {
  const load = 'NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.195.03  Release Build';

  test('a driver load after an incident closes it and is told', () => {
    const line = xid('3b', '62, 1d6e(35f8) 00000000 00000000');
    const { incidents, boundaries } = analyze([
      [1, line],
      [20, load],
      [25, line],
    ]);
    expect(incidents).toHaveLength(2);
    expect(incidents.map(incident => incident.sinceThen)).toEqual([
      null,
      'the driver was loaded again (line 2); since then 1 XID on this device',
    ]);
    expect(boundaries).toMatchObject([{ kind: 'driver_load' }]);
  });

  test('a boot clock that starts anew is a boot', () => {
    const line = xid('3b', `79, ${UNKNOWN}, GPU has fallen off the bus.`);
    const { incidents } = analyze([
      [5_000, line],
      [3, 'NVRM: GPU0 hello: x'],
      [4, line],
    ]);
    expect(incidents).toHaveLength(2);
    expect(incidents[1]?.sinceThen).toMatch(/booted again.*1 XID on this device/);
  });

  test('a new boot id is a boot, also where an older boot is read later', () => {
    const analysis = createAnalysis();
    const line = xid('3b', `79, ${UNKNOWN}, GPU has fallen off the bus.`);
    const at = (boot: string, timeMs: number, source: string) =>
      record(line, 1, { boot, timeMs, source, timeUncertaintyMs: 0 });
    analysis.see(at('b'.repeat(32), 2_000_000, '/dev/kmsg'));
    analysis.see(at('a'.repeat(32), 1_000_000, 'journal'));
    const { incidents } = analysis.finish();
    expect(incidents.map(incident => [incident.source, incident.sinceThen])).toEqual([
      ['/dev/kmsg', null],
      [
        'journal',
        'the node booted again (1970-01-01T00:33:20.000Z); since then no XID on this device',
      ],
    ]);
  });
});

import { describe, expect, test } from 'vitest';
import { nvlink5Rules } from '../../src/xid/nvlink5.ts';
import { parseMessage } from '../../src/xid/parse.ts';

const NV = 'NVRM: Xid (PCI:0000:3b:00): ';
const of = (text: string) => parseMessage(NV + text);

describe('XID 74', () => {
  const link = (registers: string) =>
    of(`74, pid='<unknown>', name=<unknown>, NVLink: fatal error detected on link 5(${registers})`);

  test.each([
    ['0x1, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0', 'none', 'info'],
    ['0x2, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0', 'watch', 'warning'],
    ['0x10000, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0', 'reset_gpu', 'critical'],
    ['0x0, 0x0, 0x2000, 0x0, 0x0, 0x0, 0x0', 'contact_support', 'critical'],
    ['0x0, 0x0, 0x0, 0x10000, 0x0, 0x0, 0x0', 'watch', 'warning'],
    ['0x0, 0x0, 0x0, 0x40000, 0x0, 0x0, 0x0', 'reset_gpu', 'critical'],
    ['0x0, 0x0, 0x0, 0x0, 0x100000, 0x0, 0x0', 'watch', 'warning'],
    // The worst bit decides: an ignored one beside a mechanical one.
    ['0x10001, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0', 'reset_gpu', 'critical'],
    ['0x0, 0xffffffff, 0x0, 0x0, 0x0, 0x0, 0x0', 'reset_gpu', 'critical'],
  ])('registers %s ask for %s', (registers, action, severity) => {
    expect(link(registers)?.verdict).toMatchObject({ action, severity });
    expect(link(registers)?.details).toMatchObject({ link: 5, registers: registers.split(', ') });
  });
});

describe('XID 144 to 150', () => {
  const HEX = (value: number) => `0x${value.toString(16).padStart(8, '0')}`;

  test.each(nvlink5Rules().map((rule, index) => [index, rule] as const))(
    'a line made from rule %i finds that rule in both layouts',
    (_, rule) => {
      for (const [layout, value] of [
        ['v1', rule.v1Value],
        ['v2', rule.v2Value],
      ] as const) {
        for (const unit of rule.units) {
          const text = `${rule.xid}, ${unit} Fatal XC0 i0 Link 07 (${HEX(value)} ${HEX(rule.errorStatus)} 0x0 0x0 0x0 0x0)`;
          const { secondAction } = rule;
          expect(of(text)?.details['rule']).toMatchObject({
            resolution: rule.resolution,
            severity: rule.severity,
            // Of XID 150 both layouts are the same number.
            layout: rule.xid === 150 ? 'v2' : layout,
          });
          if (!secondAction) continue;
          const bit = layout === 'v2' ? secondAction.v2Bit : secondAction.v1Bit;
          const promoted = text.replace(HEX(value), HEX(value + 2 ** bit));
          expect(of(promoted)?.details['rule']).toMatchObject({ resolution: secondAction.action });
        }
      }
    },
  );

  test('of RLW_RXPIPE one bit of the first word tells whether a reset is due', () => {
    const line = (intrinfo: string) =>
      `145, RLW_RXPIPE Nonfatal XC0 i0 Link 11 (${intrinfo} 0x00000002 0x0 0x0 0x0 0x0)`;
    expect(of(line('0x00000006'))?.verdict).toMatchObject({ action: 'none', severity: 'info' });
    expect(of(line('0x00000086'))?.verdict).toMatchObject({
      action: 'reset_gpu',
      severity: 'critical',
    });
    expect(of(line('0x000004c2'))?.verdict.action).toBe('reset_gpu');
  });

  test.each(['0x00000000', '0xffffffff'])(
    'MSE Degraded with status %s asks for a reset',
    status => {
      const parsed = of(
        `150, MSE Degraded Fatal XC0 i0 Link 00 (0x00000000 ${status} 0x0 0x0 0x0 0x0)`,
      );
      expect(parsed?.details).toMatchObject({
        unit: 'MSE Degraded',
        rule: { resolution: 'RESET_GPU' },
      });
      expect(parsed?.verdict).toMatchObject({ action: 'reset_gpu', severity: 'critical' });
    },
  );

  test('R575 lines that print Nonfatal follow XID 154 and not the number', () => {
    const text =
      '145, RLW_SRC_TRACK Nonfatal XC1 i0 Link 17 (0x04084507 0x00000004 0x00000000 0x00000000 0x00000000 0x00000000)';
    expect(of(text)?.verdict).toMatchObject({ action: 'restart_app', severity: 'warning' });
  });

  test('the old spaced form with digits in the unit is read', () => {
    expect(
      of('146, TLW_RX_PIPE0   Fatal   XC 1 i 2 Link 01 [0x00000143 0x00000004 0x0 0x0 0x0 0x0]')
        ?.details,
    ).toMatchObject({
      unit: 'TLW_RX_PIPE0',
      xc: 1,
      injected: 2,
      rule: { resolution: 'RESET_GPU' },
    });
  });

  test('several statuses at once are judged by the worst and said to be combined', () => {
    const parsed = of('144, SAW_MVB Fatal XC0 i0 Link 01 (0x00000001 0x00000003 0x0 0x0 0x0 0x0)');
    expect(parsed?.details['rule']).toMatchObject({
      resolution: 'RESET_GPU',
      combined_status: true,
    });
    expect(parsed?.verdict.confidence).toBe('low');
  });

  test('a word that the end of the line cut is not trusted', () => {
    const parsed = of('149, NETIR_LINK_EVT Fatal XC0 i0 Link 01 (0x021425c6 0x000');
    expect(parsed?.details).toMatchObject({
      intrinfo: '0x021425c6',
      error_status: null,
      rule: null,
    });
    expect(parsed?.verdict).toMatchObject({ action: 'reset_gpu', confidence: 'low' });
  });
});

describe('XID 94 and 95', () => {
  test.each([
    ['95, pid=1, Uncontained: FBHUB. RST: Yes, D-RST: No', 'reset_gpu'],
    ['95, pid=1, name=x, Uncontained: LTC TAG (0x2,0x1). RST: No, D-RST: No', 'restart_app'],
    ['94, pid=1, name=x, Contained: SM (0x1). RST: No, D-RST: Yes', 'drain_and_reset'],
    ['94, pid=1, name=x, Contained: CE User Channel (0x9). RST: No, D-RST: No', 'restart_app'],
    ['95, pid=1, name=x, Uncontained: MMU. physAddr: 0x12345678 RST: Yes, D-RST: No', 'reset_gpu'],
    ['95, pid=1, name=x, Ch 00000008', 'reset_gpu'],
  ])('the flags of "%s" ask for %s', (text, action) => {
    expect(of(text)?.verdict.action).toBe(action);
  });
});

describe('memory retirement', () => {
  test.each([
    [
      '64, Row Remapper Error: (0x0000000000001000) - Row Remapping table is full',
      'row_remap_failure',
      'reset_gpu',
    ],
    [
      '64, Row Remapper: (0x0000000000001000) - Attempting to remap a row that is already pending remapping. Remapping will occur when the GPU is reset',
      'row_remap_already_pending',
      'none',
    ],
    [
      '64, DRAM Retirement failed due to full inforom object at 0x1000',
      'row_remap_failure',
      'reset_gpu',
    ],
    [
      '64, Dynamic Page Retirement: Fatal error, unable to retire page (0x3fdf5e)',
      'page_retirement_failure',
      'reset_gpu',
    ],
    [
      '63, Dynamic Page Retirement: New retired page, reload the driver to activate. (0x1000)',
      'page_retired',
      'none',
    ],
    [
      '177, Bank Remapper: New bank marked for remapping, reset gpu to activate.',
      'bank_remap_pending',
      'watch',
    ],
  ])('%s', (text, event, action) => {
    expect(of(text)).toMatchObject({ details: { event }, verdict: { action } });
  });
});

describe('XID 154', () => {
  test.each([
    ['0x0 (None)', '0x1 (PF FLR)', 'reset_gpu'],
    ['0x0 (None)', '0x2 (Node Reboot Required)', 'reboot_node'],
    ['0x0 (None)', '0x3 (Drain P2P)', 'drain'],
    ['0x0 (None)', '0x4 (Drain and Reset)', 'drain_and_reset'],
    ['0x0 (None)', '0x5 (Recover IMEX Domain)', 'fix_configuration'],
    ['0x1 (GPU Reset Required)', '0x0 (None)', 'none'],
    ['0x0 (None)', '0x9 (Something New)', 'contact_support'],
    // The label lies: the code counts.
    ['0x0 (None)', '0x1 (None)', 'reset_gpu'],
  ])('from %s to %s asks for %s', (from, to, action) => {
    expect(of(`154, GPU recovery action changed from ${from} to ${to}`)?.verdict.action).toBe(
      action,
    );
  });
});

describe('firmware', () => {
  test('the RPC of a GSP time-out is read, in the old form too', () => {
    expect(
      of(
        '119, Timeout after 6s of waiting for RPC response from GPU4 GSP! Expected function 76 (GSP_RM_CONTROL) sequence 123 (0x20801813 0x4c).',
      )?.details,
    ).toMatchObject({ timeout_s: 6, gpu_index: 4, function: 76, sequence: 123, data1: '0x4c' });
    expect(
      of(
        '119, pid=1, name=nvidia-smi, Timeout waiting for RPC from GSP! Expected function 4097 (GSP_INIT_DONE) (0x0 0x0).',
      ),
    ).toMatchObject({ process: 'nvidia-smi', details: { timeout_s: null, function: 4097 } });
  });

  test('a GSP exception is read', () => {
    expect(
      of(
        '120, pid=1, name=x, GSP task exception: load access page fault (cause:0xd) @ pc:0x1234, partition:4#0, task:3',
      )?.details,
    ).toMatchObject({ where: 'task', cause: '0xd', pc: '0x1234', partition: 4, task: 3 });
  });

  test('a halted controller keeps its words', () => {
    expect(of('62, 1d6e(35f8) 00000000 00000000')?.details['words']).toEqual([
      '1d6e(35f8)',
      '00000000',
      '00000000',
    ]);
  });
});

test('an MMU fault tells engine, client, address and kind of access', () => {
  expect(
    of(
      '31, pid=4242, name=python3, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPC2 GPCCLIENT_T1_0 faulted @ 0x7f24_0000a000. Fault is of type FAULT_PTE ACCESS_TYPE_VIRT_WRITE',
    )?.details,
  ).toMatchObject({
    channel: 8,
    engine: 'GRAPHICS',
    gpc: 'GPC2',
    client: 'GPCCLIENT_T1_0',
    address: '0x7f240000a000',
    fault_type: 'FAULT_PTE',
    access_type: 'ACCESS_TYPE_VIRT_WRITE',
  });
});

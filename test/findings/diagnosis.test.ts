import { describe, expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import { type Diagnosis, diagnose } from '../../src/findings/diagnosis.ts';
import { factsOf, withGpu } from '../fakes/facts.ts';

const told = ({ verdict, findings }: Diagnosis) => ({
  verdict,
  findings: findings.map(({ id, severity, action, blame }) => [
    id.replace(/@.*/, ''),
    severity,
    action,
    blame,
  ]),
});

const healthy = await factsOf('dgx-h100');

test('eight H100 under full load, one with an old lifetime ECC error, are healthy', () => {
  expect(told(diagnose(healthy))).toEqual({ verdict: 'healthy', findings: [] });
});

describe('one changed reading of one GPU makes one finding', () => {
  test.each([
    [
      'uncorrected ECC since the driver was loaded',
      { eccUncorrectedVolatile: present(2) },
      'critical',
      ['ecc-uncorrected:0000:43:00', 'critical', 'drain_and_reset', 'hardware'],
    ],
    [
      'a pending row remap',
      {
        remappedRows: present({
          corrected: 0,
          uncorrected: 1,
          pending: true,
          failureOccurred: false,
        }),
      },
      'warning',
      ['row-remap-pending:0000:43:00', 'warning', 'drain_and_reset', 'hardware'],
    ],
    [
      'a failed row remap',
      {
        remappedRows: present({
          corrected: 0,
          uncorrected: 8,
          pending: false,
          failureOccurred: true,
        }),
      },
      'critical',
      ['row-remap-failed:0000:43:00', 'critical', 'contact_support', 'hardware'],
    ],
    [
      'a pending page retirement',
      { retiredPagesPending: present(true) },
      'warning',
      ['page-retirement-pending:0000:43:00', 'warning', 'drain_and_reset', 'hardware'],
    ],
    [
      'hardware slowdown for heat',
      { clocksEventReasons: present(['hw_slowdown', 'hw_thermal_slowdown']) },
      'warning',
      ['hardware-slowdown:0000:43:00', 'warning', 'watch', 'host'],
    ],
    [
      'a PCIe link at half its width beside full ones',
      { pcieWidthCurrent: present(8) },
      'warning',
      ['pcie-width:0000:43:00', 'warning', 'drain', 'hardware'],
    ],
    [
      'the driver asking for a reset',
      { recoveryAction: present(1) },
      'critical',
      ['recovery-action:0000:43:00', 'critical', 'reset_gpu', 'hardware'],
    ],
  ] as const)('%s', (_what, changed, verdict, finding) => {
    const facts = withGpu(healthy, 1, { ...changed, pci: present('0000:43:00') });
    expect(told(diagnose(facts))).toEqual({ verdict, findings: [finding] });
  });
});

describe('what is no fault', () => {
  test.each([
    ['software power capping', { clocksEventReasons: present(['sw_power_cap', 'gpu_idle']) }],
    ['a lifetime count of uncorrected errors alone', { eccUncorrectedAggregate: present(40) }],
    ['a reading that no GPU of its kind has', { retiredPagesPending: missing('not_supported') }],
    ['a reading that this driver is too old for', { remappedRows: missing('function_not_found') }],
    ['a recovery action of none', { recoveryAction: present(0) }],
  ] as const)('%s', (_what, changed) => {
    const facts = withGpu(healthy, 1, changed);
    expect(told(diagnose(facts))).toEqual({ verdict: 'healthy', findings: [] });
  });
});

describe('never a false all-clear', () => {
  test('a reading that could not be had makes the verdict unknown, by name', () => {
    const facts = withGpu(healthy, 5, { eccUncorrectedVolatile: missing('timeout') });
    const diagnosis = diagnose(facts);
    expect(diagnosis.verdict).toBe('unknown');
    expect(diagnosis.gaps).toEqual(['GPU 5: ECC not read (timeout)']);
  });

  test('without any kernel log there is no "healthy"', () => {
    const coverage = healthy.log.coverage.map(source => ({ ...source, available: false }));
    const diagnosis = diagnose({ ...healthy, log: { ...healthy.log, coverage } });
    expect(diagnosis.verdict).toBe('unknown');
    expect(diagnosis.gaps).toEqual(['no kernel log could be read']);
  });

  test('crash dumps and the log of a daemon are no kernel log', () => {
    const [kmsg] = healthy.log.coverage;
    const coverage = [
      '/sys/fs/pstore',
      '/var/lib/systemd/pstore',
      '/var/log/fabricmanager.log',
      '/var/log/nvidia-imex.log',
    ].flatMap(source => (kmsg ? [{ ...kmsg, source }] : []));
    const diagnosis = diagnose({ ...healthy, log: { ...healthy.log, coverage } });
    expect(diagnosis.verdict).toBe('unknown');
    expect(diagnosis.gaps).toEqual(['no kernel log could be read']);
  });
});

test('a lost GPU is one finding that carries its XID, and its neighbours are not accused', async () => {
  const facts = await factsOf('lost-gpu');
  const diagnosis = diagnose(facts);
  expect(told(diagnosis)).toEqual({
    verdict: 'critical',
    findings: [['lost-gpu:0000:61:00', 'critical', 'reboot_node', 'hardware']],
  });
  expect(diagnosis.findings[0]?.evidence.map(item => item.source)).toEqual([
    'NVML',
    '/dev/kmsg',
    'kernel log',
    'PCI, /proc/driver/nvidia, /dev, NVML and the kubelet compared',
    '/sys/bus/pci/devices/0000:61:00.0/aer_dev_*',
  ]);
});

test('a machine without a driver is told as such', async () => {
  const diagnosis = diagnose(await factsOf('no-driver'));
  expect(told(diagnosis)).toEqual({
    verdict: 'critical',
    findings: [['driver-not-loaded', 'critical', 'fix_configuration', 'configuration']],
  });
});

test('library and module of different versions are named', async () => {
  const diagnosis = diagnose(await factsOf('version-mismatch'));
  expect(diagnosis.verdict).toBe('critical');
  expect(diagnosis.findings.map(finding => finding.id)).toContain('driver-version-mismatch');
});

test('memory that an ended process keeps is not to be had by ending it', async () => {
  const [leak] = diagnose(await factsOf('leaked-memory')).findings;
  expect(leak?.evidence.map(({ what }) => what)).toContain(
    'process 41212 (pt_main_thread), state Z, holds the device open',
  );
  expect(leak?.advice).toMatch(/^The processes below have ended .* restart their container/);
});

test('replays that two counters tell are one line of evidence', async () => {
  const [link] = diagnose(await factsOf('slow-pcie')).findings;
  const replays = link?.evidence.filter(({ what }) => what.startsWith('replays: '));
  expect(replays).toHaveLength(1);
});

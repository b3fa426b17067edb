import { expect, test } from 'vitest';
import { Census } from '../../src/contract/census.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { record } from './fixtures.ts';

const CLEANUP = 'NVRM: Xid (PCI:0000:3b:00): 45, pid=4242, name=python3, Ch 00000008';

test('a flood is folded to a count with its first and last line', () => {
  const analysis = createAnalysis();
  for (let at = 1; at <= 11_760; at += 1) {
    analysis.see(record(CLEANUP, at, { bootSeconds: at / 100 }));
  }
  const { events, incidents, folded } = analysis.finish();
  expect(events).toHaveLength(20);
  expect(folded).toBe(11_740);
  expect(incidents).toHaveLength(1);
  expect(incidents[0]).toMatchObject({ count: 11_760, firstLine: 1, lastLine: 11_760 });
  expect(incidents[0]?.lines.length).toBeLessThanOrEqual(256);
});

test('what is kept does not grow with the log, and the serious stays', () => {
  const analysis = createAnalysis({ eventsMax: 100 });
  analysis.see(
    record('NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.', 1, { bootSeconds: 1 }),
  );
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  const named = (at: number) =>
    [at % 26, Math.floor(at / 26) % 26, Math.floor(at / 676) % 26].map(n => letters[n]).join('');
  for (let at = 2; at <= 5_000; at += 1) {
    analysis.see(record(`NVRM: fn_${named(at)}: noise`, at, { bootSeconds: at }));
  }
  const { events, incidents, folded } = analysis.finish();
  expect(events.length).toBeLessThanOrEqual(200);
  expect(events.length + folded).toBe(5_000);
  expect(events[0]).toMatchObject({ xid: 79 });
  expect(incidents.map(incident => incident.root.xid)).toEqual([79]);
});

test('the lines of one message in a text are one event at its first line', () => {
  const analysis = createAnalysis();
  const lines = [
    'NVRM: The NVIDIA GPU 0000:b3:00.0',
    '               (PCI ID: 10de:26b5) installed in this system has',
    '               fallen off the bus and is not responding to commands.',
    'NVRM: API mismatch: the client has the version 470.129.06, but',
    'NVRM: this kernel module has the version 418.226.00.  Please',
    'NVRM: make sure that this kernel module and all NVIDIA driver',
    'NVRM: components have the same version.',
  ];
  for (const [index, text] of lines.entries()) analysis.see(record(text, index + 1));
  const { events } = analysis.finish();
  expect(events.map(({ kind, line, details }) => [kind, line, details['module'] ?? null])).toEqual([
    ['gpu_lost', 1, null],
    ['api_mismatch', 4, '418.226.00'],
  ]);
});

test('a message whose end never comes is still told', () => {
  const analysis = createAnalysis();
  analysis.see(record('NVRM: API mismatch: the client has the version 319.32, but', 1));
  expect(analysis.finish().events).toMatchObject([
    { kind: 'api_mismatch', details: { client: '319.32', module: null } },
  ]);
});

test('the end of a record whose beginning is lost still tells of a lost GPU', () => {
  const analysis = createAnalysis();
  analysis.see(record('NVRM: fallen off the bus and is not responding to commands.', 1));
  expect(analysis.finish().incidents).toMatchObject([
    { root: { kind: 'gpu_lost', pci: null }, action: 'reboot_node' },
  ]);
});

test('the names of GPUs are learned from the lines before their first XID', () => {
  const analysis = createAnalysis();
  for (const [index, text] of [
    'NVRM: GPU at PCI:0000:91:00: GPU-b6c3b2be-c55b-d076-fa0e-d464e4c7e08b',
    'NVRM: GPU Board Serial Number: 1653723052734',
    'NVRM: GPU at PCI:0000:01:00: GPU-4e391288-897c-ba5d-6944-dfbea55ebcfa',
    'NVRM: GPU Board Serial Number: 0',
  ].entries()) {
    analysis.see(record(text, index + 1));
  }
  const { gpus, incidents } = analysis.finish();
  expect(gpus).toEqual([
    {
      pci: '0000:91:00',
      uuid: 'GPU-b6c3b2be-c55b-d076-fa0e-d464e4c7e08b',
      serial: '1653723052734',
    },
    { pci: '0000:01:00', uuid: 'GPU-4e391288-897c-ba5d-6944-dfbea55ebcfa', serial: null },
  ]);
  expect(incidents).toEqual([]);
});

test('nothing seen is nothing found', () => {
  expect(createAnalysis().finish()).toEqual({
    events: [],
    incidents: [],
    folded: 0,
    gpus: [],
    boundaries: [],
    census: expect.any(Census),
    place: null,
  });
});

test('what the journal tells of before the ring begins is of the same boot, not of the one before', () => {
  const boot = 'b'.repeat(32);
  const bootedMs = Date.parse('2026-03-01T00:00:00Z');
  const at = (bootSeconds: number) => ({
    boot,
    bootSeconds,
    timeMs: bootedMs + bootSeconds * 1_000,
  });
  const analysis = createAnalysis();
  analysis.see({ ...record('usb 1-1: new device', 1, at(90_000)), source: '/dev/kmsg' });
  const lost = record('NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.', 1, at(50_000));
  analysis.see({ ...lost, source: '/var/log/journal' });
  const { incidents, boundaries } = analysis.finish();
  expect(incidents).toMatchObject([{ root: { xid: 79 }, sinceThen: null }]);
  expect(boundaries).toMatchObject([{ kind: 'boot', moment: { timeMs: bootedMs } }]);
});

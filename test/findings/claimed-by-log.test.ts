import { expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import { diagnose } from '../../src/findings/diagnosis.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { factsOf } from '../fakes/facts.ts';
import { record } from '../xid/fixtures.ts';

const lostAt = (pci: string) => {
  const analysis = createAnalysis();
  analysis.see(
    record(`NVRM: Xid (PCI:${pci}): 79, GPU has fallen off the bus.`, 1, { source: '/dev/kmsg' }),
  );
  const { events, incidents, gpus } = analysis.finish();
  return { events, incidents, gpus };
};

test('an XID 79 of a GPU that answers is claimed by the log only', async () => {
  const facts = await factsOf('healthy-t4');
  const [gpu] = facts.driver.gpus;
  const pci = gpu?.pci.ok ? gpu.pci.value : '';
  const log = { ...facts.log, coverage: facts.log?.coverage ?? [], ...lostAt(pci) };
  const [worst] = diagnose({ ...facts, log }).findings;
  expect(worst).toMatchObject({ action: 'watch', confidence: 'low', severity: 'warning' });
  expect(worst?.title).toMatch(/, claimed by the log only$/);
});

test('an XID 79 on a machine without a GPU and a driver orders no reboot', async () => {
  const facts = await factsOf('no-driver');
  const host = {
    ...facts.host,
    pciDevices: present([]),
    moduleVersion: missing('driver_not_loaded'),
  };
  const log = { ...facts.log, coverage: facts.log?.coverage ?? [], ...lostAt('0000:41:00') };
  const found = diagnose({ ...facts, host, log }).findings;
  const lost = found.filter(({ title }) => title.includes('79'));
  expect(lost).toMatchObject([{ action: 'watch', confidence: 'low' }]);
  expect(lost[0]?.title).toMatch(/claimed by the log only/);
  const said = JSON.stringify(found);
  expect(said).not.toContain('reboot_node');
  expect(said).not.toContain('the PCI bus shows 0000:41:00');
});

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseMessage } from '../../src/xid/parse.ts';

/**
 * Lines made from the driver's message templates (synthetic, where no real line was found).
 * The templates and their sources are in test/fixtures/kernel-lines/xid-message-formats.csv.
 */
const CSV = new URL('../fixtures/kernel-lines/xid-message-formats.csv', import.meta.url);
const ROWS = readFileSync(CSV, 'utf8')
  .trimEnd()
  .split('\n')
  .slice(1)
  .map(row => /^(\d+),(?:"((?:[^"]|"")*)"|([^,]*)),/.exec(row))
  .map(found => ({
    xid: Number(found?.[1]),
    template: (found?.[2] ?? found?.[3] ?? '').replaceAll('""', '"'),
  }))
  .filter(({ xid, template }) => xid > 0 && /[%:]/.test(template) && !template.startsWith('NVRM'));

/** A template with its choices made and its numbers filled in; `[optional]` parts stay or go. */
function instance(template: string, optional: boolean): string {
  return template
    .replaceAll(/\{([^{}|]*)\|[^{}]*\}/g, '$1')
    .replaceAll(/\[([^[\]]*)\]/g, optional ? '$1' : '')
    .replaceAll(/Fatal\|Nonfatal|XC0\|XC1|Yes\|No|%02d\|-1/g, choice => choice.split('|')[0] ?? '')
    .replaceAll('<UNIT>', 'SAW_MVB')
    .replaceAll('<unit>', 'SM')
    .replaceAll(/%016llx/g, '00000000000000a1')
    .replaceAll(/%08(?:ll)?x/g, '000000a1')
    .replaceAll(/%0[24]x/g, '0a')
    .replaceAll(/%(?:ll)?x/g, 'a1')
    .replaceAll(/%0?\d?(?:ll)?[du]/g, '3')
    .replaceAll('%s', 'word');
}

test('the templates are there', () => {
  expect(ROWS.length).toBeGreaterThan(25);
});

test.each(
  ROWS.flatMap(({ xid, template }) =>
    [true, false].map(optional => [xid, instance(template, optional)] as const),
  ),
)('XID %i: %s', (xid, text) => {
  const line = `NVRM: Xid (PCI:0000:3b:00): ${xid}, pid=4242, name=my, app, ${text}`;
  expect(parseMessage(line)).toMatchObject({ xid, pid: 4242, pci: '0000:3b:00' });
  const unowned = parseMessage(`NVRM: Xid (PCI:0000:3b:00): ${xid}, ${text}`);
  expect(unowned).toMatchObject({ xid, details: { detail: text.trimEnd() } });
});

test.each(
  ROWS.filter(({ xid }) => [48, 64, 74, 94, 95, 119, 120, 136, 140, 143, 154, 171].includes(xid))
    .filter(({ template }) => !/^GSP-RISCV|fuse error/.test(template))
    .map(({ xid, template }) => [xid, instance(template, false)] as const),
)('XID %i has facts in "%s"', (xid, text) => {
  const details = parseMessage(`NVRM: Xid (PCI:0000:3b:00): ${xid}, ${text}`)?.details ?? {};
  const facts = Object.keys(details).filter(
    key => !['pci_raw', 'function', 'detail'].includes(key) || (key === 'function' && xid === 119),
  );
  expect(facts.length).toBeGreaterThan(0);
});

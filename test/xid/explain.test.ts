import { expect, test } from 'vitest';
import { UsageError } from '../../src/contract/errors.ts';
import { allXidEntries } from '../../src/xid/catalogue.ts';
import { Explanation, explain, queryOf } from '../../src/xid/explain.ts';
import { allSxidEntries } from '../../src/xid/sxid-catalogue.ts';
import { REAL_LINES } from './fixtures.ts';

const short = (query: string) =>
  explain(query).map(({ family, code, action }) => [family, code, action]);

test.each([
  ['79', [['xid', 79, 'reboot_node']]],
  ['XID 79', [['xid', 79, 'reboot_node']]],
  ['Xid79', [['xid', 79, 'reboot_node']]],
  ['SXid 12028', [['sxid', 12028, 'reboot_node']]],
  ['20034', [['sxid', 20034, 'reset_gpu']]],
  ['154 2', [['xid', 154, 'reboot_node']]],
  ['149 38', [['xid', 149, 'none']]],
  ['149.4', [['xid', 149, 'reset_gpu']]],
  ['149 4', [['xid', 149, 'reset_gpu']]],
  ['145 0x4', [['xid', 145, 'restart_app']]],
  [
    '79, 13 and SXid 22013',
    [
      ['xid', 79, 'reboot_node'],
      ['xid', 13, 'restart_app'],
      ['sxid', 22013, 'none'],
    ],
  ],
  [
    '149 79',
    [
      ['xid', 149, 'watch'],
      ['xid', 79, 'reboot_node'],
    ],
  ],
  ['XID 95 Uncontained: FBHUB. RST: Yes; D-RST: No', [['xid', 95, 'reset_gpu']]],
  [
    '{"MESSAGE":"NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus."}',
    [['xid', 79, 'reboot_node']],
  ],
  ['NVRM: GPU 0000:18:00.0: GPU has fallen off the bus.', [['line', null, 'reboot_node']]],
])('%s', (query, expected) => {
  expect(short(query)).toEqual(expected);
});

test('the sub-code of a link event tells which rule it is', () => {
  const [answer] = explain('149 33');
  expect(answer).toMatchObject({
    query: '149 33',
    decoded: { rules: [{ reason_bits_25_20: 33, investigatory: 'INVESTIGATE_PEER_DEVICE' }] },
  });
  expect(answer?.advice).toMatch(/other end of the link/);
});

test('two words of a command line can be one question', () => {
  expect(explain(queryOf(['149', '4', '79'])).map(answer => answer.query)).toEqual(['149 4', '79']);
  expect(
    explain(queryOf(['NVRM: Xid (PCI:0000:3b:00): 79, x', '48'])).map(answer => answer.code),
  ).toEqual([79, 48]);
});

test('a number that no catalogue has is said to be in none', () => {
  expect(explain('999')[0]).toMatchObject({
    code: 999,
    notCatalogued: true,
    treatedBy: null,
    severity: 'info',
  });
  expect(explain('SXid 99999')[0]).toMatchObject({ notCatalogued: true });
});

test('how others treat a number is told where it was asked for, and only there', () => {
  const [asked] = explain('109', { opinions: true });
  expect(asked?.treatedBy).toMatchObject({ devicePlugin: 'ignored', eks: 'fatal' });
  expect(asked?.opinions.join(' ')).toMatch(/device plugin/);
  expect(explain('109')[0]).toMatchObject({ treatedBy: null, opinions: [] });
});

test('an answer for a place advises what can be done there', () => {
  expect(explain('79', { place: 'aws' })[0]).toMatchObject({
    action: 'reboot_node',
    advice: expect.stringMatching(/stop and start it/),
  });
  expect(explain('62', { place: 'aws' })[0]).toMatchObject({ action: 'reboot_node' });
  expect(explain('62', { place: 'bare-metal' })).toEqual(explain('62'));
});

test('the edition, the GPUs and the promise of an XID 154 are told', () => {
  expect(explain('149')[0]).toMatchObject({
    edition: '610',
    appliesTo: ['B100', 'GB200'],
    recovery154: 'R565',
  });
  expect(explain('32')[0]?.when).toMatch(/PCIe signal quality/);
});

test.each(['hello', '', 'reboot everything', '-1', '1234567'])('"%s" is no question', query => {
  expect(() => explain(query)).toThrow(UsageError);
});

test('every catalogued number and every real line has an explanation of the declared form', () => {
  for (const { code } of allXidEntries()) Explanation.parse(explain(`XID ${code}`)[0]);
  for (const { code } of allSxidEntries()) Explanation.parse(explain(String(code))[0]);
  for (const { line, expect: expected } of REAL_LINES) {
    if (expected.kind === 'other') continue;
    expect(Explanation.parse(explain(line)[0]).decoded).toMatchObject({ kind: expected.kind });
  }
});

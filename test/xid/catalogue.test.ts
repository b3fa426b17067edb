import { expect, test } from 'vitest';
import { allXidEntries, XID_SOURCES, xidEntry, xidVerdict } from '../../src/xid/catalogue.ts';
import { ACTION_OF, NVIDIA_ACTIONS } from '../../src/xid/nvidia-actions.ts';
import { nvlink5Rules } from '../../src/xid/nvlink5.ts';
import { allSxidEntries, SXID_SOURCES, sxidVerdict } from '../../src/xid/sxid-catalogue.ts';

const xids = allXidEntries();
const sxids = allSxidEntries();

test('the catalogue holds XID 1 to 177 and 185, each once and in order', () => {
  const codes = xids.map(entry => entry.code);
  expect(codes).toEqual([...Array.from({ length: 177 }, (_, index) => index + 1), 185]);
});

test('the catalogue holds 400 SXids, each once and in order', () => {
  const codes = sxids.map(entry => entry.code);
  expect(codes).toHaveLength(400);
  expect(codes).toEqual([...new Set(codes)].sort((a, b) => a - b));
});

test('the decode sheet holds 94 rules of which no two are alike', () => {
  const rules = nvlink5Rules();
  expect(rules).toHaveLength(94);
  const keys = rules.map(rule => `${rule.xid} ${rule.units} ${rule.errorStatus} ${rule.v2Value}`);
  expect(new Set(keys).size).toBe(94);
});

test('every row names sources that the file knows', () => {
  for (const entry of xids) {
    expect(entry.source.filter(key => !(key in XID_SOURCES))).toEqual([]);
  }
  for (const entry of sxids) {
    expect(entry.source.filter(key => !(key in SXID_SOURCES))).toEqual([]);
  }
});

test('each of NVIDIA’s words has one action of ours', () => {
  expect(Object.keys(ACTION_OF).sort()).toEqual([...NVIDIA_ACTIONS].sort());
});

test('a number that NVIDIA does not classify is never critical', () => {
  const unused = xids.filter(entry => entry.unused);
  expect(unused).toHaveLength(61);
  for (const { code, title } of unused) {
    expect([code, xidVerdict(code).severity]).toEqual([code, 'info']);
    expect(title).toMatch(/not classified by NVIDIA/);
  }
});

test('a number without a published action says so, and ours is marked', () => {
  for (const entry of xids) expect(entry.action === null).toBe(entry.immediate !== null);
  expect(xidVerdict(171).source).toMatch(/NVIDIA has published no action/);
});

test('contradictions between the sources are data', () => {
  expect(xidEntry(109)?.contradictions.join(' ')).toMatch(/device plugin ignores it/);
  expect(xidEntry(63)?.contradictions.join(' ')).toMatch(/EKS/);
  expect(xidEntry(142)?.contradictions.join(' ')).toMatch(/ECC/);
  expect(xidEntry(160)?.contradictions.join(' ')).toMatch(/NVSentinel/);
});

test('the verdict of every XID is pinned: an update is a visible difference', async () => {
  const rows = xids.map(({ code, mnemonic }) => {
    const { action, severity, blame } = xidVerdict(code);
    return `${code} ${mnemonic} ${action} ${severity} ${blame}`;
  });
  await expect(`${rows.join('\n')}\n`).toMatchFileSnapshot('./pinned-xids.txt');
});

test('the verdict of every SXid is pinned, by its printed word', async () => {
  const rows = sxids.map(({ code, mnemonic }) => {
    const of = (word: string | null) => {
      const { action, severity } = sxidVerdict(code, word);
      return `${action}/${severity}`;
    };
    return `${code} ${mnemonic} Fatal=${of('Fatal')} Non-fatal=${of('Non-fatal')} none=${of(null)}`;
  });
  await expect(`${rows.join('\n')}\n`).toMatchFileSnapshot('./pinned-sxids.txt');
});

import { describe, expect, test } from 'vitest';
import { allXidEntries, XID_SOURCES, xidEntry, xidVerdict } from '../../src/xid/catalogue.ts';
import { XID_EDITION } from '../../src/xid/editions.ts';
import { ACTION_OF, NVIDIA_ACTIONS } from '../../src/xid/nvidia-actions.ts';
import { NVLINK5_EDITION, nvlink5Rules } from '../../src/xid/nvlink5.ts';
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

test('the decode sheet holds 95 rules of which no two are alike', () => {
  const rules = nvlink5Rules();
  expect(rules).toHaveLength(95);
  const keys = rules.map(rule => `${rule.xid} ${rule.units} ${rule.errorStatus} ${rule.v2Value}`);
  expect(new Set(keys).size).toBe(95);
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

test('contradictions of NVIDIA’s documents and opinions of other tools are data, apart', () => {
  expect(xidEntry(109)?.opinions.join(' ')).toMatch(/device plugin ignores it/);
  expect(xidEntry(63)?.opinions.join(' ')).toMatch(/EKS/);
  expect(xidEntry(142)?.opinions.join(' ')).toMatch(/ECC/);
  expect(xidEntry(160)?.opinions.join(' ')).toMatch(/NVSentinel/);
  expect(xidEntry(63)?.contradictions.join(' ')).toMatch(/nverror\.h/);
  const tools = /device plugin|EKS|GKE|gpud|NVSentinel|GCM/;
  expect(xids.filter(({ contradictions }) => tools.test(contradictions.join(' ')))).toEqual([]);
});

describe('edition 610 of NVIDIA’s catalogue', () => {
  const listed = xids.filter(({ code }) => code <= 172);

  test('is the edition of file, rows and decode rules', () => {
    expect([XID_EDITION, NVLINK5_EDITION]).toEqual(['610', '610']);
    expect(listed.filter(({ edition }) => edition !== XID_EDITION)).toEqual([]);
    expect(XID_SOURCES['catalogue']).toContain(
      `edition ${XID_EDITION} (172 codes, 95 decode rules)`,
    );
    expect([listed.length, nvlink5Rules().length]).toEqual([172, 95]);
  });

  test('tells which GPUs print a number, and only for the numbers that it lists', () => {
    expect(xids.filter(({ appliesTo }) => appliesTo === null).map(({ code }) => code)).toEqual([
      173, 174, 175, 176, 177, 185,
    ]);
    expect(xidEntry(74)?.appliesTo).toEqual(['A100', 'H100']);
    expect(xidEntry(136)?.appliesTo).toEqual(['H100']);
    expect(xidEntry(149)?.appliesTo).toEqual(['B100', 'GB200']);
    expect(xidEntry(16)?.appliesTo).toEqual([]);
  });

  test('tells from which driver an XID 154 goes with a number', () => {
    const of = (branch: string) =>
      xids.filter(({ recovery154 }) => recovery154 === branch).map(({ code }) => code);
    expect(of('R565')).toEqual([
      48, 62, 63, 64, 74, 79, 94, 95, 110, 120, 136, 144, 145, 146, 147, 148, 149, 150, 155, 156,
    ]);
    expect(of('R570')).toEqual([109]);
    expect(of('R575')).toEqual([143, 160, 161]);
    expect(of('introduction')).toEqual([158, 159]);
  });

  test.each([
    [32, 'restart_app', 'host'],
    [51, 'contact_support', 'driver'],
    [62, 'reset_gpu', 'driver'],
    [137, 'none', 'application'],
    [168, 'fix_configuration', 'configuration'],
    [163, 'watch', 'hardware'],
  ])('XID %i asks for %s, blame %s', (code, action, blame) => {
    expect(xidVerdict(code)).toMatchObject({ action, blame });
  });

  test('numbers without an action word of NVIDIA drive no reset', () => {
    const free = xids.filter(({ immediate, guided }) => immediate === null && !guided);
    expect(free.map(({ code }) => [code, xidVerdict(code).action]).sort()).toEqual(
      [162, 166, 167, 169, 170, 171, 172, 173, 174, 175, 176, 177, 185].map(code => [
        code,
        code === 162 ? 'none' : 'watch',
      ]),
    );
  });

  test('numbers that NVIDIA guides in a sentence name it as the source', () => {
    for (const code of [163, 164, 165, 168]) {
      expect(xidVerdict(code).source).toBe("NVIDIA's guidance in its catalogue (edition 610)");
    }
  });
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

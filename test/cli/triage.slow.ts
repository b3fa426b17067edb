import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { packed } from '../../src/bundle/bundle-file.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { TriageFacts } from '../../src/tools/support/triage-facts.ts';
import { captured } from '../bundle/bundles.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { h100 } from '../scenarios/machines.ts';
import { run } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-triage-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A bundle of eight H100 with changes, as a file. */
async function bundle(name: string, machine: object): Promise<string> {
  const file = join(folder, name);
  writeFileSync(file, packed(await captured(instrumentsFor(machineFrom(name, machine)))));
  return file;
}

/** An XID 94 of two hours ago: a warning. */
const contained = h100({
  log: [
    [
      7_200,
      'NVRM: Xid (PCI:0000:43:00): 94, pid=7, name=python3, Contained: SM (0x1). RST: No, D-RST: No',
    ],
  ],
});
const unread = {
  ...h100(),
  gpus: { 3: { faults: { deviceGetRemappedRows: { return: 'timeout' } } } },
};

describe('triage --fail-on', () => {
  test.each([
    ['HEALTHY', h100(), { warning: 0, critical: 0 }],
    ['WARNING', contained, { warning: 1, critical: 0 }],
    ['UNKNOWN', unread, { warning: 1, critical: 1 }],
  ])('%s', async (verdict, machine, codes) => {
    const file = await bundle(`${verdict}.gz`, machine);
    for (const [limit, code] of Object.entries(codes)) {
      const ran = await run(['triage', '--from', file, '--fail-on', limit]);
      expect([ran.stdout.split(' ')[0], ran.code], limit).toEqual([verdict, code]);
    }
    expect((await run(['triage', '--from', file])).code).toBe(0);
  });
});

test('triage --since shows so much of the log, and the verdict stays that of the last 24 h', async () => {
  const file = await bundle('since.gz', contained);
  const triaged = async (...since: string[]) =>
    TriageFacts.parse(
      JSON.parse((await run(['triage', '--from', file, '-o', 'json', ...since])).stdout),
    );
  const day = await triaged();
  const short = await triaged('--since', '1h');
  expect([day.verdict, short.verdict]).toEqual(['warning', 'warning']);
  expect([day.began.length, short.began.length]).toEqual([1, 0]);
  expect(short.searched.judgedSince).toBe(day.searched.since);
});

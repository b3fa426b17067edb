import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as z from 'zod';
import type { KernelRecord } from '../../src/contract/kernel-record.ts';
import { createFileLog } from '../../src/kernel-log/file-log.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { parseMessage } from '../../src/xid/parse.ts';
import { REAL_LINES, record } from './fixtures.ts';

// Every word of it is for the person on call: after a change `vitest -u`, and read what changed.

const Row = z.object({
  name: z.string().optional(),
  text: z.string().optional(),
  message: z.string().optional(),
  records: z
    .array(z.object({ message: z.string(), bootSeconds: z.number().optional() }))
    .optional(),
});

const rowsOf = (name: string) =>
  readFileSync(new URL(`../fixtures/kernel-lines/${name}.jsonl`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map(text => Row.parse(JSON.parse(text)));

test('what each kind of line says', async () => {
  const messages = [
    ...REAL_LINES.map(({ message }) => message),
    ...rowsOf('fresh-messages').flatMap(({ message }) => message ?? []),
  ];
  const pages = messages.flatMap(message => {
    const line = parseMessage(message);
    if (!line) return [];
    const { kind, xid, sxid, pci, process, mig, role, rank, details, verdict } = line;
    const { title, meaning, advice, source, disagreement, ...judged } = verdict;
    return [
      [kind, xid ?? sxid ?? '', pci ?? '', process ?? '', role, rank].join(' | '),
      Object.values(judged).join(' | '),
      ...[title, meaning, advice, source, ...disagreement].filter(text => text !== ''),
      JSON.stringify({ ...details, ...(mig && { mig }) }),
      '',
    ].join('\n');
  });
  await expect([...new Set(pages)].join('\n')).toMatchFileSnapshot('./pinned-lines.txt');
});

async function recordsIn(text: string): Promise<readonly KernelRecord[]> {
  async function* input() {
    yield Buffer.from(`${text}\n`);
  }
  const found: KernelRecord[] = [];
  const log = createFileLog({ input: input(), name: '-', nowMs: () => Date.UTC(2026, 9, 5) });
  await log.scan({}, each => found.push(each), new AbortController().signal);
  return found;
}

test('what each incident of public threads says', async () => {
  const logs = [
    ...(await Promise.all(
      rowsOf('public-transcripts').map(async ({ name, text = '' }) => ({
        name,
        records: await recordsIn(text),
      })),
    )),
    ...rowsOf('fresh-incidents').map(({ name, records = [] }) => ({
      name,
      records: records.map(({ message, bootSeconds = null }, at) =>
        record(message, at + 1, { bootSeconds }),
      ),
    })),
  ];
  const pages = logs.flatMap(({ name, records }) => {
    const analysis = createAnalysis();
    for (const each of records) analysis.see(each);
    return analysis.finish().incidents.map(incident => {
      const { root, title, advice, why, counterEvidence, disagreement, lines, codes } = incident;
      const { action, actionSource, severity, blame, confidence, sinceThen, count } = incident;
      return [
        `${name}: ${root.kind} ${root.xid ?? root.sxid ?? ''} ${root.pci ?? ''}`,
        [severity, action, actionSource, blame, confidence].join(' | '),
        ...[title, advice ?? '', why, ...counterEvidence, ...disagreement, sinceThen ?? ''],
        `lines ${lines} of ${count}, codes ${codes}`,
        '',
      ].join('\n');
    });
  });
  await expect(pages.join('\n')).toMatchFileSnapshot('./pinned-incidents.txt');
});

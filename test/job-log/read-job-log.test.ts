import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as z from 'zod';
import {
  allJobTexts,
  CONSEQUENCES,
  JOB_TEXT_SOURCES,
  meaningOf,
} from '../../src/job-log/job-texts.ts';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { allPastedTexts } from '../../src/xid/pasted-texts.ts';

const meaningOfPasted = (id: string) => allPastedTexts().some(row => row.id === id);

const Case = z.strictObject({
  name: z.string(),
  source: z.string(),
  log: z.array(z.string()),
  /** The entry that began the failure; null where the log does not tell. */
  root: z.string().nullable(),
  layer: z.string().optional(),
  ranks: z.array(z.int()).optional(),
  recovered: z.int().optional(),
  /** Whom the others waited for; null where the log tells of no wait. */
  behind: z.array(z.int()).nullable().optional(),
});
const CASES = z
  .array(Case)
  .parse(JSON.parse(readFileSync(new URL('cases.json', import.meta.url), 'utf8')));

const read = (log: readonly string[], cut = false) =>
  readJobLog({
    ...{ container: 'train', previous: false, requests: 1, bytes: log.join('\n').length },
    text: `${log.join('\n')}\n`,
    cut,
  });

test.each(CASES)('$name', ({ log, root, layer, ranks, recovered, behind }) => {
  const found = read(log);
  const cause = found.entries.find(({ role }) => role === 'cause');
  expect(cause?.id ?? null, JSON.stringify(found.entries, null, 1)).toBe(root);
  if (layer !== undefined) expect(cause?.layer).toBe(layer);
  if (ranks) expect(cause?.ranks).toEqual(ranks);
  expect(found.recovered).toBe(recovered ?? 0);
  if (behind !== undefined) expect(found.wait?.behind ?? null).toEqual(behind);
  expect(found.lines).toBe(log.length);
});

test('no text stands in the table twice, each has a source, and each finds its own row', () => {
  const rows = allJobTexts();
  const texts = rows.flatMap(row => row.texts);
  expect(new Set(texts).size).toBe(texts.length);
  expect(texts.filter(text => text !== text.toLowerCase())).toEqual([]);
  for (const { id, texts: own, source } of rows) {
    expect(Object.keys(JOB_TEXT_SOURCES)).toContain(source);
    for (const text of own) {
      const line = `rank 0: ${text.replaceAll(' … ', ' 7 ')} (7)`;
      expect(meaningOf(line)?.id, text).toBe(id);
    }
  }
  expect([...CONSEQUENCES].filter(id => !meaningOfPasted(id))).toEqual([]);
});

test('lines have the time of the runtime, and equal ones are one entry', () => {
  const at = (second: number) => `2026-11-20T12:00:0${second}.5Z`;
  const { entries, from, to } = read([
    `${at(1)} [rank1]: RuntimeError: CUDA out of memory`,
    `${at(2)} [rank0]: RuntimeError: CUDA out of memory`,
    `${at(3)} \u001B[31m[rank1]: RuntimeError: CUDA out of memory\u001B[0m`,
    `${at(4)} W1120 12:00:05.1 7 api.py:900] Sending process 9 closing signal SIGTERM`,
  ]);
  expect(entries.map(({ id, at: time, count, ranks }) => ({ id, time, count, ranks }))).toEqual([
    { id: 'cuda-2', time: at(1), count: 3, ranks: [1, 0] },
    { id: 'told-to-stop', time: at(4), count: 1, ranks: [] },
  ]);
  expect({ from, to }).toEqual({ from: at(1), to: at(4) });
});

test('what a process says after its peer has gone is no cause, and memory is one all the same', () => {
  const lost = '[rank2]: torch.distributed.DistBackendError: Connection reset by peer';
  const roles = (line: string) => read([lost, line]).entries.map(({ role }) => role);
  expect(roles('[rank2]: RuntimeError: communicator aborted')).toEqual([
    'consequence',
    'consequence',
  ]);
  expect(roles('[rank2]: RuntimeError: CUDA error: unspecified launch failure')).toEqual([
    'consequence',
    'consequence',
  ]);
  expect(roles('[rank2]: RuntimeError: CUDA out of memory')).toEqual(['consequence', 'cause']);
});

test('the wait is for the rank that has enqueued less, where the status tells', () => {
  const timedOut = (rank: number) =>
    `[rank${rank}]:[E810 03:04:11.0 ProcessGroupNCCL.cpp:632] [Rank ${rank}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=78, OpType=ALLGATHER, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600003 milliseconds before timing out.`;
  const status = (rank: number, work: number) =>
    `[rank${rank}]:[E810 03:04:11.0 ProcessGroupNCCL.cpp:2241] [PG ID 0 PG GUID 0(default_pg) Rank ${rank}]  failure detected by watchdog at work sequence id: 78 PG status: last enqueued work: ${work}, last completed work: 77`;
  const { wait } = read(
    [0, 1, 2].flatMap(rank => [timedOut(rank), status(rank, rank === 1 ? 78 : 80)]),
  );
  expect(wait).toEqual({
    operation: 'ALLGATHER',
    sequence: 78,
    timeoutMs: 600_000,
    waiting: [0, 1, 2],
    behind: [1],
  });
});

test('any text is read: no line is lost count of, nothing that is not plain leaves', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 40 }), log => {
      const text = log.map(line => line.replaceAll('\n', ' '));
      const found = read(text.length === 0 ? ['x'] : text);
      expect(found.lines).toBe(Math.max(1, text.length));
      for (const entry of found.entries) expect(entry.text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }),
  );
});

test('ten thousand lines of errors give twelve entries at most', () => {
  const log = Array.from({ length: 10_000 }, (_, index) => `E${index}Error: ${index}`);
  const found = read(log, true);
  expect(found.entries).toHaveLength(12);
  expect(found.cut).toBe(true);
});

test('a log that is made to be slow is read all the same', () => {
  const long = ['a-', 'Rank 1]', 'A.', '(a', '[1', 'cuda error ', '\u001B[', 'Traceback ', '│ '];
  const log = long.flatMap(piece => [piece.repeat(100_000), `${piece.repeat(500)} error`]);
  expect(read([...log, 'ValueError: x']).entries.map(({ id }) => id)).toContain('exception');
  const many = Array.from(
    { length: 1_000 },
    (_, at) => `${long[at % long.length]?.repeat(90)} fail`,
  );
  expect(read(many).lines).toBe(1_000);
});

import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { openRecord, recordedSession } from '../../src/cli/record.ts';
import { verified } from '../../src/cli/verify-record.ts';
import { SessionError } from '../../src/contract/errors.ts';
import type { Session } from '../../src/session/port.ts';
import { run } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'record-'));
afterAll(() => rmSync(folder, { recursive: true }));

let file = '';
let files = 0;
beforeEach(() => {
  files += 1;
  file = join(folder, `${files}.jsonl`);
});

const clock = { nowMs: () => 0 };
const lines = () => readFileSync(file, 'utf8').split('\n').slice(0, -1);

const answering: Session = {
  target: 'node-a',
  call: async ({ tool }) => {
    if (tool === 'broken') throw new SessionError('the stream broke');
    return { content: [{ type: 'text', text: 'all is well' }] };
  },
  start: async () => {},
  close: async () => ({ removed: 'job a/b', verified: true, left: [] }),
};
const request = (tool: string) => ({
  ...{ tool, input: { since: '1h' }, signal: new AbortController().signal },
  onProgress: () => {},
});

async function recordRun(): Promise<string> {
  const record = openRecord(file, clock);
  const session = recordedSession(answering, record);
  await session.call(request('triage_gpu_node'));
  await session.call(request('broken')).catch(() => undefined);
  await session.close();
  await session.close();
  return record.close();
}

test('each call, answer, failure and end of a session has its line', async () => {
  await recordRun();
  const facts = lines().map(line => JSON.parse(line));
  expect(facts.map(({ event, of }) => [event, of].filter(Boolean).join(' '))).toEqual([
    ...['begin', 'call', 'answer 2', 'call', 'failure 4', 'closed', 'end'],
  ]);
  expect(facts[1]).toMatchObject({
    ...{ node: 'node-a', tool: 'triage_gpu_node', input: { since: '1h' } },
    at: '1970-01-01T00:00:00.000Z',
  });
  expect(facts[2]).toMatchObject({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/), bytes: 50 });
  expect(facts[4]).toMatchObject({ words: 'the stream broke' });
  expect(facts[5]).toMatchObject({ removed: 'job a/b', verified: true, left: [] });
  // An answer is proven by its hash, and not kept.
  expect(readFileSync(file, 'utf8')).not.toContain('all is well');
});

test('an answer that cannot be recorded is not given, and the pod is removed all the same', async () => {
  let writes = 0;
  const full = {
    write: () => {
      writes += 1;
      if (writes > 1) throw new SessionError('the record cannot be written: no space left');
      return writes;
    },
    close: () => '',
  };
  const session = recordedSession(answering, full);
  await expect(session.call(request('triage_gpu_node'))).rejects.toThrow('cannot be written');
  expect(await session.close()).toMatchObject({ removed: 'job a/b' });
});

test('the file is its owner’s alone, and a second run is appended', async () => {
  await recordRun();
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const first = readFileSync(file, 'utf8');
  await recordRun();
  expect(readFileSync(file, 'utf8').startsWith(first)).toBe(true);
  expect(await verified(file)).toEqual({ lines: 14, runs: 2, faults: [] });
});

test('two runs at the same time write to one file, and both are whole', async () => {
  const [one, other] = [openRecord(file, clock), openRecord(file, clock)];
  one.write({ event: 'call' });
  other.write({ event: 'call' });
  one.write({ event: 'answer' });
  other.close();
  one.close();
  expect(await verified(file)).toEqual({ lines: 7, runs: 2, faults: [] });
});

describe('what cannot be a record is refused before anything is started', () => {
  test.each([
    ['a link', () => symlinkSync(join(folder, 'elsewhere'), file), /cannot be opened/],
    ['a link to nowhere', () => symlinkSync(join(folder, 'none'), file), /cannot be opened/],
    ['a file of others too', () => writeFileSync(file, '', { mode: 0o644 }), /by others/],
    [
      'another file',
      () => writeFileSync(file, 'notes\n', { mode: 0o600 }),
      /does not end in a line of a record/,
    ],
    [
      'half a line',
      () => writeFileSync(file, '{"run":"a"', { mode: 0o600 }),
      /does not end in a line of a record/,
    ],
    ['a folder that is not there', () => (file = join(folder, 'none/x')), /cannot be opened/],
    ['a device', () => (file = '/dev/full'), /is not a file/],
  ])('%s', async (_, make, why) => {
    make();
    const ran = await run(['triage', 'node-a', '--record', file, '--kubeconfig', '/none']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(why);
  });
});

describe('what was done to a record is found', () => {
  const edited = async (edit: (lines: string[]) => string[]) => {
    await recordRun();
    await recordRun();
    await recordRun();
    const before = lines();
    writeFileSync(file, `${edit([...before]).join('\n')}\n`);
    return (await verified(file)).faults;
  };

  test('nothing in one that nobody touched', async () => {
    expect(await edited(all => all)).toEqual([]);
  });

  const everyLine = Array.from({ length: 21 }, (_, index) => index);

  test.each(everyLine)('a changed line: %i', async at => {
    const faults = await edited(all =>
      all.with(at, (all[at] ?? '').replace('"at":"1970', '"at":"1971')),
    );
    expect(faults).toContainEqual({ line: at + 1, what: expect.stringMatching(/^was changed/) });
  });

  test('any one character', async () => {
    openRecord(file, clock).close();
    const text = readFileSync(file, 'utf8');
    const last = text.lastIndexOf('\n');
    for (let at = 0; at < last; at += 1) {
      const other = text[at] === '0' ? '1' : '0';
      writeFileSync(file, `${text.slice(0, at)}${other}${text.slice(at + 1)}`);
      expect((await verified(file)).faults, `character ${at}`).not.toEqual([]);
    }
  });

  // The last line of all is missed as the end of its run.
  test.each(everyLine)('a removed line: %i', async at => {
    const faults = await edited(all => all.toSpliced(at, 1));
    expect(faults.map(({ what }) => what).join()).toMatch(/missing|no end|not before it/);
    expect(faults[0]?.line).toBe(Math.min(at + 1, 20));
  });

  test.each(everyLine.slice(1))('a line that was moved up: %i', async at => {
    const faults = await edited(all => {
      const [line = ''] = all.splice(at, 1);
      all.splice(at - 1, 0, line);
      return all;
    });
    expect(faults.map(({ line }) => line)).toContain(at);
  });

  test.each([0, 1])('a whole run: %i', async at => {
    const faults = await edited(all => all.toSpliced(at * 7, 7));
    expect(faults).toContainEqual({
      line: at * 7 + 1,
      what: 'the line that its run began behind is not before it: lines were removed or moved',
    });
  });

  test('a line that was written again with a hash of its own', async () => {
    const { createHash } = await import('node:crypto');
    const faults = await edited(all => {
      const body = (all[2] ?? '').replace(/,"hash":.*/, '}').replace('"bytes":50', '"bytes":51');
      const hash = createHash('sha256').update(body).digest('hex');
      return all.with(2, `${body.slice(0, -1)},"hash":"${hash}"}`);
    });
    expect(faults).toEqual([
      { line: 4, what: 'was not written behind line 3: one of them was replaced' },
    ]);
  });

  test('a cut end: by the run’s missing end, or by the hash that was noted', async () => {
    await recordRun();
    const noted = await recordRun();
    const all = lines();
    writeFileSync(file, `${all.slice(0, 9).join('\n')}\n`);
    expect((await verified(file)).faults).toEqual([
      { line: 9, what: 'its run has no end: it was killed, or its last lines were cut off' },
    ]);
    writeFileSync(file, `${all.slice(0, 7).join('\n')}\n`);
    expect((await verified(file)).faults).toEqual([]);
    expect((await verified(file, noted)).faults).toEqual([
      { line: 7, what: expect.stringMatching(/^no line has the hash/) },
    ]);
  });

  test('half a line at the end', async () => {
    await recordRun();
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, -40));
    expect((await verified(file)).faults[0]).toEqual({ line: 7, what: 'is no line of a record' });
  });
});

test('verify-record says so with exit code 0 or 1', async () => {
  await recordRun();
  const whole = await run(['verify-record', file]);
  expect(whole).toMatchObject({
    code: 0,
    stdout: `${file}: 7 lines of 1 run, each as it was written\n`,
  });
  chmodSync(file, 0o600);
  writeFileSync(file, readFileSync(file, 'utf8').replace('1970', '1971'));
  const changed = await run(['verify-record', file, '-o', 'json']);
  expect(changed.code).toBe(1);
  expect(JSON.parse(changed.stdout).faults[0]).toMatchObject({ line: 1 });
  expect(await run(['verify-record', join(folder, 'none')])).toMatchObject({ code: 2 });
});

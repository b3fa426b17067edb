import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { run } from './run.ts';

const XID = '[   12.345678] NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n';
const folder = mkdtempSync(join(tmpdir(), 'encodings-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, bytes: Buffer | string): string {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
}

function tar(files: Readonly<Record<string, Buffer | string>>): Buffer {
  const own = mkdtempSync(join(folder, 'tar-'));
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(join(own, name, '..'), { recursive: true });
    writeFileSync(join(own, name), bytes);
  }
  execFileSync('tar', ['cf', join(folder, 'x.tar'), '-C', own, '.']);
  return readFileSync(join(folder, 'x.tar'));
}

/** One deflated and one stored file, as APPNOTE 6.3 has them. */
function zip(files: readonly (readonly [name: string, text: string, method: 0 | 8])[]): Buffer {
  const parts: Buffer[] = [];
  const list: Buffer[] = [];
  let at = 0;
  for (const [name, text, method] of files) {
    const body = method === 8 ? deflateRawSync(text) : Buffer.from(text);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(body.length, 20);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(at, 42);
    parts.push(local, Buffer.from(name), body);
    list.push(entry, Buffer.from(name));
    at += 30 + name.length + body.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, ...list, end]);
}

const swapped = (text: string) => Buffer.from(text, 'utf16le').swap16();

describe('read whatever it is written or packed in', () => {
  test.each([
    ['UTF-16 with a mark', Buffer.from(`\ufeff${XID}`, 'utf16le')],
    ['UTF-16, the other order', swapped(`\ufeff${XID}`)],
    ['UTF-16 without a mark', Buffer.from(XID, 'utf16le')],
    ['UTF-16, the other order, without a mark', swapped(XID)],
    ['UTF-8 with a mark', Buffer.from(`\ufeff${XID}`)],
    ['NULs of a power loss', Buffer.concat([Buffer.alloc(200_000), Buffer.from(XID)])],
    ['NULs in the middle', Buffer.from(`[   12.345600] a\n\0\0\0\0${XID}`)],
    ['tar', tar({ 'var/log/kern.log': XID, 'other.log': 'nothing\n' })],
    ['tar.gz', gzipSync(tar({ 'kern.log': XID }))],
    ['a compressed file in a tar', tar({ 'kern.log.2.gz': gzipSync(XID) })],
    ['a long name in a tar', tar({ [`${'a/'.repeat(80)}${'b'.repeat(120)}.log`]: XID })],
    [
      'zip',
      zip([
        ['a.txt', 'nothing\n', 0],
        ['kern.log', XID, 8],
      ]),
    ],
    ['zip of UTF-16', zip([['kern.log', `\ufeff${XID}`, 8]])],
  ])('%s', async (name, bytes) => {
    const ran = await run(['analyze', file(name.replaceAll(/\W/g, '-'), bytes), '-o', 'json']);
    expect(ran.stderr).toBe('');
    expect(JSON.parse(ran.stdout)).toMatchObject({ events: [{ xid: 79, bootSeconds: 12.345678 }] });
  });
});

describe('refused by its name, exit code 2, no clean answer', () => {
  test.each([
    ['bzip2', Buffer.from('BZh91AY&SY\x01\x02\x03', 'latin1'), /bzip2 -dc/],
    ['lz4', Buffer.from([0x04, 0x22, 0x4d, 0x18, 0, 0, 0, 0]), /lz4/],
    ['7-Zip', Buffer.from('7z\xbc\xaf\x27\x1c\0\0', 'latin1'), /7-Zip/],
    ['PDF', Buffer.from('%PDF-1.7\n'), /PDF/],
    ['a picture', Buffer.from('\x89PNG\r\n\x1a\n\0\0\0', 'latin1'), /picture/],
    ['a program', Buffer.from('\x7fELF\x02\x01\x01', 'latin1'), /program/],
    [
      'anything',
      Buffer.from(Array.from({ length: 600 }, (_, at) => (at * 37) % 32)),
      /binary data/,
    ],
    ['an empty tar', Buffer.concat([tar({}).subarray(0, 512), Buffer.alloc(1024)]), /empty/],
  ])('%s', async (name, bytes, said) => {
    const ran = await run(['analyze', file(`refused-${name.replaceAll(/\W/g, '-')}`, bytes)]);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(said);
  });
});

describe('what was not read is said', () => {
  test('a part of an archive', async () => {
    const path = file('part.tar', tar({ 'a.log': 'nothing\n', 'b.bz2': 'BZh91AY&SY' }));
    const ran = await run(['analyze', path, '--fail-on', 'critical']);
    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(/Not read whole: .*b\.bz2 \(it is compressed with bzip2/);
  });

  test('a damaged archive', async () => {
    const whole = gzipSync(`nothing\n${'x'.repeat(5_000)}\n`);
    const path = file('cut.gz', whole.subarray(0, whole.length - 6));
    const ran = await run(['analyze', path, '--fail-on', 'critical']);
    expect(ran).toMatchObject({ code: 1 });
    expect(ran.stdout).toMatch(/Not read whole/);
  });

  test('a line of another program', async () => {
    const text = `Aug 10 15:36:05 host app[7]: ${XID.slice(15)}`;
    const ran = await run(['analyze', '-', '--fail-on', 'critical'], { input: text });
    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(
      /^No XID or SXid incident found in 1 record of -.*, but 1 line looks like an XID and was not read: 1 because another program wrote it, not the kernel \(- 1\)\./,
    );
  });

  test('nothing to say where all was read', async () => {
    const ran = await run(['analyze', '-', '--fail-on', 'critical'], { input: 'nothing\n' });
    expect(ran.code).toBe(0);
  });

  test('since is what was asked for', async () => {
    const input = '2026-03-29T01:30:00Z node kernel: a\n2026-03-29T01:31:00Z node kernel: b\n';
    const ran = await run(['analyze', '-', '--since', '2026-03-28T00:00:00Z'], { input });
    expect(ran.stdout).toMatch(
      /^No XID or SXid incident found in 2 records of - since 2026-03-28T00:00:00Z, which begin at 2026-03-29T01:30:00/,
    );
  });

  test('the parts of a question that were left out', async () => {
    const many = Array.from({ length: 99 }, (_, at) => String(at + 1));
    const ran = await run(['explain', ...many]);
    expect(ran.stdout).toMatch(/35 more are left out/);
  });

  test('explain and analyze agree on a line that another program wrote', async () => {
    const ran = await run(['explain', `Aug 10 15:36:05 host app[7]: ${XID.slice(15)}`]);
    expect(ran.stdout).toMatch(/confidence low/);
    expect(ran.stdout).toMatch(/would not be taken as an event/);
  });
});

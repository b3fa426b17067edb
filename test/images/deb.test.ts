import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { openedDeb } from '../../images/agent/deb.ts';
import { debianFiles, namedMirrors } from '../../images/agent/packages.ts';
import { writeTar } from '../../images/agent/tar.ts';

const tar = (path: string, text: string) =>
  writeTar([{ path, mode: 0o644, content: Buffer.from(text) }]);

/** An archive of ar(1), as deb(5) has it. */
function ar(members: Readonly<Record<string, Buffer>>): Buffer {
  const parts = Object.entries(members).map(([name, content]) => {
    const header = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(content.length).padEnd(10)}\`\n`;
    return Buffer.concat([Buffer.from(header), content, Buffer.alloc(content.length % 2, 10)]);
  });
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts]);
}

describe('a Debian package', () => {
  test.each([
    ['gz', gzipSync],
    ['zst', zstdCompressSync],
  ])('that %s compressed gives its control file and its files', async (ending, compress) => {
    const opened = await openedDeb(
      ar({
        'debian-binary': Buffer.from('2.0\n'),
        [`control.tar.${ending}`]: compress(tar('control', 'Package: libc6\n')),
        [`data.tar.${ending}`]: compress(tar('lib/libc.so.6', 'code')),
      }),
    );
    expect(opened.control).toBe('Package: libc6\n');
    expect(opened.files.get('lib/libc.so.6')?.content.toString()).toBe('code');
  });

  test.each([
    ['something else', Buffer.from('PK'), 'not a Debian package'],
    ['without data', ar({ 'control.tar': tar('control', 'x') }), 'without data.tar'],
    ['compressed otherwise', ar({ 'control.tar.bz2': Buffer.alloc(9) }), 'in an unknown way'],
  ])('that is %s is refused', async (_, file, words) => {
    await expect(openedDeb(file)).rejects.toThrow(words);
  });
});

test('what the mirrors dropped is looked for where the user says, at the moment of the lock', () => {
  const words = 'https://a.example/debian/MOMENT  https://b.example/x/';
  expect(namedMirrors(words, '20261127T000000Z')).toEqual([
    'https://a.example/debian/20261127T000000Z/',
    'https://b.example/x/',
  ]);
  expect(namedMirrors(undefined, '20261127T000000Z')).toEqual([]);
});

test('without apt a package comes over HTTP from a named mirror, and one of another checksum is refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-deb-'));
  const deb = ar({
    'control.tar': tar('control', 'Package: x\n'),
    'data.tar': tar('lib/x.so', 'code'),
  });
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.end(deb);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  vi.stubEnv('XDG_CACHE_HOME', folder);
  vi.stubEnv('GPU_MCP_DEBIAN_MIRRORS', `http://127.0.0.1:${port}/MOMENT`);
  vi.stubEnv('PATH', folder);
  try {
    const sha256 = createHash('sha256').update(deb).digest('hex');
    const wanted = { name: 'x', version: '1', file: 'pool/x_1+b1.deb', sha256 };
    const opened = await debianFiles(wanted, '20261127T000000Z');
    expect(opened.files.get('lib/x.so')?.content.toString()).toBe('code');
    expect(asked).toEqual(['/20261127T000000Z/pool/x_1%2bb1.deb']);
    const other = { ...wanted, sha256: '0'.repeat(64) };
    await expect(debianFiles(other, '20261127T000000Z')).rejects.toThrow(/no mirror has x 1/);
  } finally {
    vi.unstubAllEnvs();
    server.close();
    rmSync(folder, { recursive: true });
  }
});

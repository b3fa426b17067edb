import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { checkWritable, packed, readBundle, writeBundle } from '../../src/bundle/bundle-file.ts';
import { openReplay } from '../../src/bundle/replay.ts';
import { BUNDLE_BYTES_MAX } from '../../src/contract/limits.ts';
import { bundleOf } from './bundles.ts';

const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-files-'));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
});
const at = (name: string) => join(folder, name);

const taken = (path: string) => ({
  message: `"${path}" is there already`,
  hint: 'another name, or --force to replace it',
});

describe('a bundle is written', () => {
  test('whole, for its owner alone, and is read back from there', async () => {
    const bundle = await bundleOf('healthy-t4');
    await writeBundle(at('a.gz'), packed(bundle), { force: false });
    expect(readdirSync(folder)).toEqual(['a.gz']);
    expect(statSync(at('a.gz')).mode & 0o777).toBe(0o600);
    expect(await readBundle(at('a.gz'))).toEqual(bundle);
    expect((await openReplay(at('a.gz'))).replay).toMatchObject({ node: 'healthy-t4' });
  });

  test('where a file is only by force, and nothing else is left behind', async () => {
    writeFileSync(at('a.gz'), 'mine');
    const bytes = Buffer.from('new');
    await expect(writeBundle(at('a.gz'), bytes, { force: false })).rejects.toMatchObject(
      taken(at('a.gz')),
    );
    expect(readFileSync(at('a.gz'), 'utf8')).toBe('mine');
    await writeBundle(at('a.gz'), bytes, { force: true });
    expect(readFileSync(at('a.gz'), 'utf8')).toBe('new');
    expect(readdirSync(folder)).toEqual(['a.gz']);
  });

  test('not where it cannot be, with the reason and without the name of the file in between', async () => {
    const path = at('gone/a.gz');
    const message = `bundle "${path}" could not be written: ENOENT: no such file or directory`;
    await expect(writeBundle(path, Buffer.alloc(1), { force: true })).rejects.toMatchObject({
      message,
    });
    await expect(checkWritable(path, { force: true })).rejects.toMatchObject({ message });
    mkdirSync(at('full.gz'));
    await expect(
      writeBundle(at('full.gz'), Buffer.alloc(1), { force: true }),
    ).rejects.toMatchObject({
      message: `bundle "${at('full.gz')}" could not be written: EISDIR: illegal operation on a directory`,
    });
    expect(readdirSync(folder)).toEqual(['full.gz']);
  });

  test('where it may be is known before the node is asked', async () => {
    await checkWritable(at('a.gz'), { force: false });
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(at('a.gz'), 'mine');
    await expect(checkWritable(at('a.gz'), { force: false })).rejects.toMatchObject(
      taken(at('a.gz')),
    );
    await checkWritable(at('a.gz'), { force: true });
    expect(readFileSync(at('a.gz'), 'utf8')).toBe('mine');
  });
});

describe('what is no file of a bundle is said in one sentence', () => {
  test.each([
    ['nothing', 'gone.gz', 'bundle "FILE" could not be read: ENOENT: no such file or directory'],
    ['a folder', '', 'bundle "FILE" could not be read: it is not a file'],
  ])('%s', async (_what, name, message) => {
    await expect(readBundle(at(name))).rejects.toMatchObject({
      message: message.replace('FILE', at(name)),
    });
  });

  test('a file larger than any bundle, by its size alone', async () => {
    writeFileSync(at('a.gz'), '');
    truncateSync(at('a.gz'), BUNDLE_BYTES_MAX + 1);
    await expect(readBundle(at('a.gz'))).rejects.toMatchObject({
      message: `"${at('a.gz')}" is not a bundle: it is larger than 32 MiB`,
      hint: 'kubectl gpu-mcp capture NODE -f FILE writes one',
    });
    truncateSync(at('a.gz'), BUNDLE_BYTES_MAX);
    await expect(readBundle(at('a.gz'))).rejects.toMatchObject({
      message: `"${at('a.gz')}" is not a bundle: it is no gzip and no JSON`,
    });
  });
});

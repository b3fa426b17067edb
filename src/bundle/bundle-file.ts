import { randomBytes } from 'node:crypto';
import { access, constants, link, lstat, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { BUNDLE_BYTES_MAX, BUNDLE_TEXT_BYTES_MAX } from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import { VERSION } from '../contract/version.ts';
import { type Bundle, bundleFrom, documentOf, Envelope, SCHEMA } from './document.ts';

/** A bundle as the bytes of a file: one JSON document, packed with gzip. */
export const packed = (bundle: Bundle): Buffer => gzipSync(JSON.stringify(documentOf(bundle)));

/**
 * The bundle in a file.
 *
 * @throws UsageError when it cannot be read, is none, is cut off, or is newer than we are.
 */
export async function readBundle(path: string): Promise<Bundle> {
  return unpacked(await bytesOf(path), path);
}

/** The bundle in bytes; `name` is what the errors call it. @throws UsageError as readBundle does. */
export function unpacked(bytes: Buffer, name: string): Bundle {
  const document = parsed(bytes, name);
  const envelope = Envelope.safeParse(document);
  if (!envelope.success) throw noBundle(name, 'it lacks the head of one');
  const { schema, versions } = envelope.data;
  if (schema > SCHEMA) {
    throw new UsageError(
      `bundle ${quoted(name)} has schema ${schema}, this plugin (${VERSION}) reads up to ${SCHEMA}`,
      `use version ${plainText(versions.agent, 64)} of the plugin, which wrote it, or a newer one`,
    );
  }
  try {
    return bundleFrom(document);
  } catch (cause) {
    if (!(cause instanceof z.ZodError)) throw cause;
    const [issue] = cause.issues;
    const where = plainText(issue?.path.join('.') ?? '', 200);
    throw new UsageError(
      `bundle ${quoted(name)} is damaged: ${where || 'the document'} is not of its form`,
      'capture the node again',
    );
  }
}

function parsed(bytes: Buffer, name: string): unknown {
  const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
  try {
    const text = isPacked ? gunzipSync(bytes, { maxOutputLength: BUNDLE_TEXT_BYTES_MAX }) : bytes;
    return JSON.parse(text.toString('utf8'));
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'Z_BUF_ERROR') {
      throw new UsageError(
        `bundle ${quoted(name)} is cut off: it ends in the middle`,
        'copy it again, or capture the node again',
      );
    }
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw noBundle(name, `it unpacks to more than ${BUNDLE_TEXT_BYTES_MAX / 1024 ** 2} MiB`);
    }
    throw noBundle(name, isPacked ? 'it does not unpack to JSON' : 'it is no gzip and no JSON');
  }
}

const noBundle = (name: string, why: string) =>
  new UsageError(
    `${quoted(name)} is not a bundle: ${why}`,
    'kubectl gpu-mcp capture NODE -f FILE writes one',
  );

async function bytesOf(path: string): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    try {
      const about = await file.stat();
      // A device or a pipe tells no size, and may never end.
      if (!about.isFile()) throw new Error('it is not a file');
      if (about.size <= BUNDLE_BYTES_MAX) return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new UsageError(`bundle ${quoted(path)} could not be read: ${reasonOf(cause)}`);
  }
  throw noBundle(path, `it is larger than ${BUNDLE_BYTES_MAX / 1024 ** 2} MiB`);
}

/** @throws UsageError when the file could not be written: known before a node is asked. */
export async function checkWritable(
  path: string,
  { force }: { readonly force: boolean },
): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK);
  } catch (cause) {
    throw notWritten(path, cause);
  }
  const there = await lstat(path).catch(() => undefined);
  if (there && !force) throw isThere(path);
}

/**
 * Writes a file whole or not at all, for its owner alone; what is there is replaced only by force.
 *
 * @throws UsageError when it cannot be written.
 */
export async function writeBundle(
  path: string,
  bytes: Buffer,
  { force }: { readonly force: boolean },
): Promise<void> {
  const made = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(made, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    // Unlike rename(2), link(2) fails where the name is taken.
    if (force) await rename(made, path);
    else await link(made, path);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') throw isThere(path);
    throw notWritten(path, cause);
  } finally {
    await rm(made, { force: true }).catch(cause => {
      throw new UsageError(`${quoted(made)} could not be removed: ${reasonOf(cause)}`);
    });
  }
}

const notWritten = (path: string, cause: unknown) =>
  new UsageError(`bundle ${quoted(path)} could not be written: ${reasonOf(cause)}`);

const isThere = (path: string) =>
  new UsageError(`${quoted(path)} is there already`, 'another name, or --force to replace it');

const quoted = (name: string): string => `"${plainText(name, 200)}"`;

const reasonOf = (error: unknown): string => {
  const words = plainText(error instanceof Error ? error.message : String(error), 200);
  return words.replace(/, (?:access|open|link|rename|rm|stat|read|unlink) .*$/, '');
};

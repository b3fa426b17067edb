import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { PLATFORMS, type Platform } from './contents.ts';

const NpmPackage = z.strictObject({
  name: z.string(),
  version: z.string(),
  /** Of the tarball, as npm's own lock file writes it. */
  integrity: z.string().regex(/^sha512-[A-Za-z0-9+/]{86}==$/),
});
export type NpmPackage = z.infer<typeof NpmPackage>;

const DebianPackage = z.strictObject({
  name: z.string(),
  version: z.string(),
  /** Below the address of a mirror. */
  file: z.string().regex(/^pool\/[\w./+~%-]+\.deb$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type DebianPackage = z.infer<typeof DebianPackage>;

const PlatformLock = z.strictObject({
  node: NpmPackage,
  koffi: NpmPackage,
  debian: z.array(DebianPackage).min(1),
});
export type PlatformLock = z.infer<typeof PlatformLock>;

const Lock = z.strictObject({
  distribution: z.strictObject({ id: z.string(), version: z.string() }),
  /** A moment at which Debian's mirrors had the packages, as its snapshots name it. */
  snapshot: z.string().regex(/^\d{8}T\d{6}Z$/),
  platforms: z.record(z.enum(PLATFORMS), PlatformLock),
});
export type Lock = z.infer<typeof Lock>;

export const LOCK_FILE = new URL('packages.json', import.meta.url);

/** Which foreign files go into the image, each with its checksum. Throws when the file is not a lock. */
export function readLock(): Lock {
  return Lock.parse(JSON.parse(readFileSync(LOCK_FILE, 'utf8')));
}

/** The part of the lock for one platform. */
export const lockOf = (lock: Lock, platform: Platform): PlatformLock => lock.platforms[platform];

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';
import { present, type Reading } from '../../src/contract/reading.ts';
import { createNodeHost } from '../../src/host/node-host.ts';
import type { KernelClock } from '../../src/host/port.ts';

export type Files = Readonly<Record<string, string | Uint8Array>>;
export type Links = Readonly<Record<string, string>>;

const trees: string[] = [];
afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true, force: true });
});

/** A directory of these files and links, removed after the test. A path that ends in / is a folder. */
export function tree(files: Files, links: Links = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'host-'));
  trees.push(root);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(path.endsWith('/') ? join(root, path) : dirname(join(root, path)), {
      recursive: true,
    });
    if (!path.endsWith('/')) writeFileSync(join(root, path), content);
  }
  for (const [path, target] of Object.entries(links)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(target, join(root, path));
  }
  return root;
}

/** Longer than any test: no file of a tree hangs, and a busy machine is no hang. */
export const PATIENCE_MS = 600_000;

/** A node: `host/` is its root file system, `proc/`, `sys/` and `dev/` are the kernel's. */
export function node(
  files: Files,
  links: Links = {},
  clock: Reading<KernelClock> = present(CLOCK),
) {
  const root = tree(files, links);
  const host = createNodeHost({
    root: join(root, 'host'),
    procRoot: join(root, 'proc'),
    sysRoot: join(root, 'sys'),
    devRoot: join(root, 'dev'),
    readClock: async () => clock,
    readMsMax: PATIENCE_MS,
  });
  const read = () => host.read(new AbortController().signal);
  return { root, host, read };
}

/** The clock of every tree: the kernel's own would be this machine's. */
export const CLOCK = {
  synchronized: true,
  maximumErrorMicroseconds: 31_000,
};

/** The directories that a whole root file system has, though nothing is in them. */
export const WHOLE_ROOT: Files = {
  'host/etc/': '',
  'host/proc/': '',
  'host/sys/': '',
  'host/var/': '',
};

export interface Function {
  /** From the host bridge down to the function itself: `pci0000:3a/0000:3a:01.0/0000:3b:00.0`. */
  readonly at: string;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly driver?: string;
}

/** PCI functions as sysfs lays them out: the device below its bridges, a link to it by address. */
export function pci(functions: readonly Function[]): { files: Files; links: Links } {
  const files: Record<string, string | Uint8Array> = {};
  const links: Record<string, string> = {};
  for (const { at, files: own = {}, driver } of functions) {
    const address = at.split('/').at(-1) ?? '';
    for (const [name, content] of Object.entries(own)) {
      files[`sys/devices/${at}/${name}`] = content;
    }
    files[`sys/devices/${at}/`] = '';
    links[`sys/bus/pci/devices/${address}`] = `../../../devices/${at}`;
    if (driver) links[`sys/devices/${at}/driver`] = `../../../../bus/pci/drivers/${driver}`;
  }
  return { files, links };
}

/** /proc/PID/stat with its fields in place. */
export function stat(options: {
  readonly pid: number;
  readonly comm: string;
  readonly state?: string;
  readonly threads?: number;
  readonly startTicks?: number;
  readonly kernel?: boolean;
}): string {
  const { pid, comm, state = 'S', threads = 1, startTicks = 100, kernel = false } = options;
  const flags = kernel ? 0x0020_0000 : 0x0040_0000;
  return `${pid} (${comm}) ${state} 1 1 1 0 -1 ${flags} 0 0 0 0 0 0 0 0 20 0 ${threads} 0 ${startTicks} 0 0\n`;
}

/** A process of root outside any pod. */
export const task = (
  pid: number,
  comm: string,
  over: Partial<Parameters<typeof stat>[0]> = {},
) => ({
  [`proc/${pid}/stat`]: stat({ pid, comm, ...over }),
  ...status(pid, 0),
});

/** `within`: its number in the PID namespace of its container. */
export const status = (pid: number, uid: number, within?: number) => ({
  [`proc/${pid}/status`]: `Name:\tx\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nNSpid:\t${pid}${within === undefined ? '' : `\t${within}`}\n`,
});

import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { constants } from 'node:os';
import { dirname, join, normalize, sep } from 'node:path';
import { missing, present } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { mayBeRead } from '../../node-root/place.ts';
import { type NvmlLibrary, type OpenedLibrary, typedLibrary } from '../table/calls.ts';
import type { NvmlFunctionName } from '../table/functions.ts';
import type { NvmlFunction } from '../table/shapes.ts';
import { argumentTypes, type Native } from './arguments.ts';
import { callNative } from './outputs.ts';

/**
 * Finds and opens the node's own libnvidia-ml.so.1: it must match the loaded kernel module, so one
 * from the image would never do. Never throws: what was tried stands in the missing reading.
 */
export async function openHostLibrary(search: Search): Promise<OpenedLibrary> {
  await dieWithParent();
  const { found, lookedAt } = await locateLibrary(search);
  const refused: string[] = [];
  for (const { file, onNode } of found) {
    try {
      return { path: present(onNode), library: await openLibrary(file) };
    } catch (error) {
      refused.push(plainText(error instanceof Error ? error.message : String(error), 256));
    }
  }
  const shut = await stat(search.hostRoot).then(() => undefined, String);
  const detail =
    refused.length > 0
      ? refused.join('; ')
      : shut !== undefined
        ? `the node's files cannot be reached (${plainText(shut, 200)}); --profile mounted mounts them`
        : lookedAt.length === 0
          ? `there is no folder ${search.driverRoot} (--driver-root)`
          : `no libnvidia-ml.so.1 in: ${lookedAt.join(', ')}`;
  return { path: missing('library_not_found', detail), library: undefined };
}

/**
 * Opens a libnvidia-ml.so.1 by absolute path. The only code that calls into the driver.
 *
 * @throws Error with dlopen's words when the file is no library for this process.
 */
export async function openLibrary(path: string): Promise<NvmlLibrary> {
  const koffi = await loadKoffi();
  const handle = koffi.load(path);
  const natives = new Map<NvmlFunctionName, Native | undefined>();

  // Newest symbol first: an old driver, or one of tomorrow, loses one reading and not the session.
  const lookUp = (row: NvmlFunction): Native | undefined => {
    for (const symbol of row.symbols) {
      try {
        return handle.func(symbol, 'int', argumentTypes(row));
      } catch {
        // koffi's only error here is "no such symbol"; the next older one is tried.
      }
    }
    return undefined;
  };

  return typedLibrary((name, row, inputs) => {
    if (!natives.has(name)) natives.set(name, lookUp(row));
    const native = natives.get(name);
    if (!native) return missing('function_not_found');
    return callNative(native, row, inputs, koffi.address);
  });
}

/**
 * The FFI, loaded at first use and only in the process that hosts NVML: its native part costs every
 * other process time and memory for nothing.
 */
async function loadKoffi(): Promise<Pick<typeof import('koffi'), 'load' | 'address'>> {
  const { default: koffi } = await import('koffi');
  return koffi;
}

/** prctl(2), linux/prctl.h: the signal that the kernel sends this process when its parent dies. */
const PR_SET_PDEATHSIG = 1;

/**
 * Has the kernel kill this process when its parent dies. A child that hangs in a call reads no
 * stdin and would outlive the agent otherwise.
 */
async function dieWithParent(): Promise<void> {
  const koffi = await loadKoffi();
  const prctl = koffi.load('libc.so.6').func('prctl', 'int', ['int', 'ulong']);
  prctl(PR_SET_PDEATHSIG, constants.signals.SIGKILL);
}

/** The library that applications link; every driver installs it under this name. */
const LIBRARY = 'libnvidia-ml.so.1';
const LINK_HOPS_MAX = 40;
/** Written by the GPU operator's validator: a shell file with NVIDIA_DRIVER_ROOT and others. */
const DRIVER_READY = '/run/nvidia/validations/driver-ready';
const DRIVER_READY_BYTES_MAX = 16 * 1024;
/** What the node's own loader found, by ldconfig: absolute paths between zero bytes. */
const LOADER_CACHE = '/etc/ld.so.cache';
const LOADER_CACHE_BYTES_MAX = 4 * 1024 * 1024;
const OPERATOR_DRIVER_ROOT = '/run/nvidia/driver';

interface Search {
  /** Where the node's file system is: `/host` in the pod, `/` on the node itself. */
  readonly hostRoot: string;
  /** `--driver-root`, as a path on the node: then nothing else is searched. */
  readonly driverRoot?: string | undefined;
  /** process.arch */
  readonly arch: string;
}

interface Located {
  /** Files to open, best first; resolved, so that no link leads out of the node's file system. */
  readonly found: readonly { readonly file: string; readonly onNode: string }[];
  /** Every folder looked at, as paths on the node, for the error; of an absent root only itself. */
  readonly lookedAt: readonly string[];
}

/**
 * Where libnvidia-ml.so.1 lies on a node, in the order of NVIDIA's own tools: what the GPU
 * operator's validator wrote, the operator's driver container, then the layouts of distributions, and
 * at last where the node's own loader finds it.
 *
 * Sources: gpu-operator (validator), nvidia-container-toolkit `pkg/lookup/library.go`, k8s-device-plugin
 * `root.go`, container-engine-accelerators (GKE), siderolabs/extensions (Talos), Bottlerocket.
 */
export async function locateLibrary(search: Search): Promise<Located> {
  const found: { file: string; onNode: string }[] = [];
  const lookedAt: string[] = [];
  for (const { root, directory } of await places(search)) {
    const driverRoot = join(search.hostRoot, root);
    const there = await stat(driverRoot).catch(() => undefined);
    if (!there && root === search.driverRoot) continue;
    const folder = join('/', root, there ? directory : '');
    if (lookedAt.includes(folder)) continue;
    lookedAt.push(folder);
    const file = await realpathInRoot(driverRoot, join(directory, LIBRARY));
    if (file === undefined || found.some(other => other.file === file)) continue;
    const onNode = join('/', file.slice(trimmed(search.hostRoot).length));
    if (mayBeRead(search.hostRoot, onNode)) found.push({ file, onNode });
  }
  return { found, lookedAt };
}

/**
 * The regular file that a path means inside a root: absolute links start at the root again and
 * none climbs out of it; undefined when there is none.
 *
 * Debian's library is a link to /etc/alternatives, Talos' lie elsewhere: under /host these point
 * into the container's own root, where fs.realpath would follow them.
 */
export async function realpathInRoot(root: string, path: string): Promise<string | undefined> {
  let waiting = parts(path);
  let resolved: string[] = [];
  for (let hops = 0; waiting.length > 0; ) {
    const [part = '', ...rest] = waiting;
    waiting = rest;
    if (part === '..') {
      resolved = resolved.slice(0, -1);
      continue;
    }
    const here = join(root, ...resolved, part);
    const kind = await lstat(here).catch(() => undefined);
    if (!kind) return undefined;
    if (!kind.isSymbolicLink()) {
      resolved = [...resolved, part];
      continue;
    }
    if (++hops > LINK_HOPS_MAX) return undefined;
    const target = await readlink(here);
    if (target.startsWith(sep)) resolved = [];
    waiting = [...parts(target), ...waiting];
  }
  const file = join(root, ...resolved);
  const kind = await lstat(file).catch(() => undefined);
  return kind?.isFile() ? file : undefined;
}

/** A file of the node, where it is one that may be read. */
async function fileOnNode(hostRoot: string, path: string): Promise<string | undefined> {
  const file = await realpathInRoot(hostRoot, path);
  const real = join('/', file?.slice(trimmed(hostRoot).length) ?? '');
  return mayBeRead(hostRoot, real) ? file : undefined;
}

interface Place {
  /** A root of its own for links: that of a driver container, or `/`. */
  readonly root: string;
  readonly directory: string;
}

async function places(search: Search): Promise<Place[]> {
  const machine = search.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const all = [...driverDirectories(machine), ...distributionDirectories(machine)];
  const under = (root: string, directories = all) =>
    directories.map(directory => ({ root, directory }));
  if (search.driverRoot !== undefined) return under(search.driverRoot);
  const operatorRoot = await driverReadyRoot(search.hostRoot);
  return [
    ...(operatorRoot === undefined ? [] : under(operatorRoot)),
    ...under(OPERATOR_DRIVER_ROOT, driverDirectories(machine)),
    ...under('/'),
    ...(await wslDriverStore(search.hostRoot)),
    ...under('/', await loaderDirectories(search.hostRoot)),
  ];
}

/** Where a driver's installer puts its libraries under its root. */
const driverDirectories = (machine: string): string[] => [
  `/usr/lib/${machine}-linux-gnu`,
  `/usr/lib/${machine}-linux-gnu/nvidia/current`,
  '/usr/lib64',
  '/lib64',
  `/lib/${machine}-linux-gnu`,
];

/** Where a distribution has them that ships the driver in its own way. */
const distributionDirectories = (machine: string): string[] => [
  // GKE: Container-Optimized OS and its Ubuntu.
  '/home/kubernetes/bin/nvidia/lib64',
  // Bottlerocket.
  '/usr/lib/nvidia/tesla',
  `/${machine}-bottlerocket-linux-gnu/sys-root/usr/lib/nvidia/tesla`,
  // Talos: since April 2026, before, and in 2024.
  '/usr/local/lib',
  '/usr/local/glibc/usr/lib',
  '/usr/local/glibc/lib',
  '/usr/lib/wsl/lib',
  // NVIDIA's CUDA images have it in LD_LIBRARY_PATH; GKE's device plugin mounts the driver there.
  '/usr/local/nvidia/lib64',
];

async function driverReadyRoot(hostRoot: string): Promise<string | undefined> {
  const file = await fileOnNode(hostRoot, DRIVER_READY);
  if (file === undefined) return undefined;
  const text = await readFile(file, 'utf8').catch(() => '');
  const line = /^(?:export\s+)?NVIDIA_DRIVER_ROOT=["']?([^"'\n]*)["']?\s*$/m.exec(
    text.slice(0, DRIVER_READY_BYTES_MAX),
  );
  const root = line?.[1]?.trim();
  return root?.startsWith('/') ? normalize(root) : undefined;
}

/** Windows' driver store as WSL2 shows it: one folder per driver package. */
async function wslDriverStore(hostRoot: string): Promise<Place[]> {
  const store = '/usr/lib/wsl/drivers';
  const names = await readdir(join(hostRoot, store)).catch(() => []);
  return names.sort().map(name => ({ root: '/', directory: join(store, name) }));
}

/** The folders of this library in the cache of ld.so; a pod does not see the file. */
async function loaderDirectories(hostRoot: string): Promise<string[]> {
  const file = await fileOnNode(hostRoot, LOADER_CACHE);
  const size = file === undefined ? 0 : await stat(file).then(({ size: bytes }) => bytes);
  if (file === undefined || size > LOADER_CACHE_BYTES_MAX) return [];
  const bytes = await readFile(file, 'latin1').catch(() => '');
  const paths = bytes.split('\0').filter(text => text.endsWith(`/${LIBRARY}`));
  // The first path follows numbers, whose last byte may not be zero.
  return [...new Set(paths.map(path => dirname(path.slice(path.indexOf('/')))))];
}

const parts = (path: string): string[] =>
  path.split(sep).filter(part => part !== '' && part !== '.');

const trimmed = (root: string): string => (root.endsWith(sep) ? root.slice(0, -1) : root);

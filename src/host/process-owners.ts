import { join } from 'node:path';
import { optional } from '../contract/optional.ts';
import { known, mapReading, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachOf, type NodeFiles } from './files.ts';
import { readContainerNames, readPodNames } from './pod-names.ts';
import type { PodName, ProcessOwner } from './port.ts';
import { readTask } from './process-table.ts';

const PIDS_MAX = 4_096;
const CGROUP_BYTES_MAX = 16 * 1024;
const ENVIRONMENT_BYTES_MAX = 128 * 1024;
const VARIABLES_MAX = 32;
/** The only variables that leave the process: which GPUs it was given. */
const GPU_VARIABLE = /^(?:NVIDIA_\w{1,60}|CUDA_VISIBLE_DEVICES|CUDA_MPS_\w{1,60})$/;

/** Whose processes these are, by their cgroups and the names of the pods' log directories. */
export async function readProcessOwners(
  files: NodeFiles,
  roots: { readonly root: string; readonly procRoot: string },
  pids: readonly number[],
): Promise<readonly ProcessOwner[]> {
  if (pids.length === 0) return [];
  const logs = {
    names: await readPodNames(files, roots.root),
    containers: await readContainerNames(files, roots.root),
  };
  return eachOf(pids.slice(0, PIDS_MAX), pid =>
    readOwner(files, { procRoot: roots.procRoot, pid }, logs),
  );
}

/** Pod and container of one process, from /proc/PID/cgroup. */
export async function readCgroupOwner(files: NodeFiles, path: string): Promise<CgroupOwner> {
  const text = await files.text(join(path, 'cgroup'), CGROUP_BYTES_MAX);
  return text.ok ? cgroupOwner(text.value) : {};
}

async function readOwner(
  files: NodeFiles,
  { procRoot, pid }: { readonly procRoot: string; readonly pid: number },
  logs: LogNames,
): Promise<ProcessOwner> {
  const path = join(procRoot, String(pid));
  const cgroup = await files.text(join(path, 'cgroup'), CGROUP_BYTES_MAX);
  const task = readTask(files, { pid, path });
  const owner = cgroup.ok ? cgroupOwner(cgroup.value) : {};
  return {
    pid,
    name: mapReading(task, ({ name }) => name),
    cgroup: mapReading(cgroup, text => plainText(cgroupPath(text), 300)),
    ...owner,
    ...podOf(logs, owner),
    state: mapReading(task, ({ state }) => state),
    startedAfterBootSeconds: mapReading(task, each => each.startedAfterBootSeconds),
    uid: mapReading(await readIdentity(files, path), ({ uid }) => uid),
    gpuEnvironment: await readGpuEnvironment(files, path),
  };
}

interface LogNames {
  readonly names: Reading<readonly PodName[]>;
  /** By container id. */
  readonly containers: ReadonlyMap<string, string>;
}

/** The pod by its UID; the container by its id, or where the pod has only one. */
function podOf(
  { names, containers }: LogNames,
  { podUid, containerId }: CgroupOwner,
): Pick<ProcessOwner, 'namespace' | 'pod' | 'container'> {
  const found = (known(names) ?? []).find(({ uid }) => uid === podUid);
  const only = found?.containers.length === 1 ? found.containers[0] : undefined;
  const container = containers.get(containerId ?? '') ?? only;
  return {
    ...(found ? { namespace: found.namespace, pod: found.pod } : {}),
    ...optional({ container }),
  };
}

/** Who a process is, whatever it calls itself. */
interface Identity {
  /** The effective one. */
  readonly uid: number;
  /** It has the node's own process numbers, which a container has only by `hostPID`. */
  readonly hostPids: boolean;
}

/**
 * proc(5): `Uid: real effective saved file-system`, and `NSpid:` with a number for each PID
 * namespace that the process is in, from that of the proc that is read.
 */
export async function readIdentity(files: NodeFiles, path: string): Promise<Reading<Identity>> {
  const text = await files.text(join(path, 'status'), 8_192);
  if (!text.ok) return text;
  const uid = /^Uid:\t\d{1,10}\t(\d{1,10})/m.exec(text.value)?.[1];
  if (uid === undefined) return missing('unreadable');
  return present({ uid: Number(uid), hostPids: /^NSpid:\t\d{1,7}$/m.test(text.value) });
}

/** Everything else in the environment, where secrets live, is dropped here. */
async function readGpuEnvironment(
  files: NodeFiles,
  path: string,
): Promise<Reading<Readonly<Record<string, string>>>> {
  const text = await files.text(join(path, 'environ'), ENVIRONMENT_BYTES_MAX);
  return mapReading(text, environment => {
    const variables = environment.split('\0').flatMap(each => {
      const at = each.indexOf('=');
      const name = each.slice(0, at);
      return GPU_VARIABLE.test(name) ? [[name, plainText(each.slice(at + 1), 256)] as const] : [];
    });
    return Object.fromEntries(variables.slice(0, VARIABLES_MAX));
  });
}

/** What the path of a cgroup says of its pod and container. */
type CgroupOwner = Pick<ProcessOwner, 'podUid' | 'containerId' | 'runtime'>;

/** A UUID, or the 32 hex digits of a static pod's hash; systemd writes `_` for `-`. */
const POD =
  /(?:^|[/-])pod([0-9a-f]{8}(?:[-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12})(?:\.slice)?(?=[/:]|$)/i;
/** The last part: `<64 hex>`, `cri-containerd-<64 hex>.scope`, `crio-...`, `docker-...`. */
const CONTAINER =
  /(?:^|[/:])(?:(cri-containerd|crio|docker|libpod|containerd)[-:])?([0-9a-f]{64})(?:\.scope)?(?=\/|$)/i;

/**
 * Pod and container of /proc/PID/cgroup, whatever its form: version 1 or 2, the systemd or the
 * cgroupfs driver, containerd, CRI-O or Docker, also below another prefix as in nested nodes.
 *
 * Sources: kubelet cm/cgroup_manager_linux.go, containerd's cri `getCgroupsPath`, CRI-O's
 * `crio-<id>.scope`, Docker's `docker-<id>.scope`.
 */
export function cgroupOwner(text: string): CgroupOwner {
  // Of several hierarchies or pods in one path (a node inside a pod) the innermost pod counts.
  for (const path of cgroupPaths(text)) {
    const pod = lastMatch(POD, path);
    if (!pod) continue;
    const below = path.slice(pod.index + pod[0].length);
    const container = CONTAINER.exec(below);
    const runtime = runtimeOf(container?.[1], path);
    return {
      podUid: uidText(pod[1] ?? ''),
      ...optional({ containerId: container?.[2]?.toLowerCase(), runtime }),
    };
  }
  return {};
}

/** The path to show: version 2's, else the one that names a pod, else the first. */
export function cgroupPath(text: string): string {
  const paths = cgroupPaths(text);
  return paths.find(path => POD.test(path)) ?? paths[0] ?? '';
}

/** proc(5): `ID:CONTROLLERS:PATH`; version 2 is `0::PATH`, and comes first here. */
function cgroupPaths(text: string): readonly string[] {
  const lines = text.split('\n').filter(line => /^\d+:[^:]*:/.test(line));
  const ordered = [
    ...lines.filter(line => line.startsWith('0::')),
    ...lines.filter(line => !line.startsWith('0::')),
  ];
  return ordered.map(line => line.replace(/^\d+:[^:]*:/, ''));
}

function lastMatch(pattern: RegExp, text: string): RegExpExecArray | undefined {
  return [...text.matchAll(new RegExp(pattern, 'gi'))].at(-1);
}

/** Kubernetes writes UIDs with dashes; a static pod's is 32 digits without any. */
function uidText(found: string): string {
  return found.replaceAll('_', '-').toLowerCase();
}

function runtimeOf(prefix: string | undefined, path: string): ProcessOwner['runtime'] {
  switch (prefix?.toLowerCase()) {
    case 'cri-containerd':
    case 'containerd':
      return 'containerd';
    case 'crio':
    case 'libpod':
      return 'cri-o';
    case 'docker':
      return 'docker';
    default:
      // The cgroupfs driver writes the bare id: CRI-O still says who it is, the others do not.
      return /\/crio-/.test(path) ? 'cri-o' : undefined;
  }
}

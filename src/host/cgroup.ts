import type { ProcessOwner } from './port.ts';

/** What the path of a cgroup says of its pod and container. */
export type CgroupOwner = Pick<ProcessOwner, 'podUid' | 'containerId' | 'runtime'>;

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
      ...(container?.[2] === undefined ? {} : { containerId: container[2].toLowerCase() }),
      ...(runtime === undefined ? {} : { runtime }),
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

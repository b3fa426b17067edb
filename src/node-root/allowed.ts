import { basename, dirname } from 'node:path';

/**
 * What may be read of a node through /proc/PID/root, of its first process or of the daemon that reads
 * or writes it itself: these paths and no other. A mount of each would delay or fail the start where
 * the node lacks it, or would bring a socket that takes orders into the pod.
 */
interface Row {
  readonly path: string;
  /**
   * `text`: this file. `folder`: its files of these names. `tree`: files below it, by their path from
   * there. `names`: these names alone. `dates`: names and dates below it. `link`: where it leads.
   * `socket`: it is connected to. `library`: it is loaded. `size`: statfs(2), nothing is opened.
   */
  readonly take:
    | 'text'
    | 'folder'
    | 'tree'
    | 'names'
    | 'dates'
    | 'link'
    | 'socket'
    | 'library'
    | 'size';
  readonly names?: RegExp;
  readonly seenBy: Seer;
}

/** Whose root: a daemon's, else that of the node's first process. */
export type Seer = 'kubelet' | 'container_runtime' | 'init' | 'container';

export type Take = Row['take'];

/** Who got which device, by the kubelet's own record: kubelet, k0s, MicroK8s. */
export const CHECKPOINTS: readonly string[] = [
  '/var/lib/kubelet',
  '/var/lib/k0s/kubelet',
  '/var/snap/microk8s/common/var/lib/kubelet',
].map(kubelet => `${kubelet}/device-plugins/kubelet_internal_checkpoint`);

/** CDI specifications; the last two are Talos', whose /etc is read-only. */
export const CDI_DIRECTORIES = ['/etc/cdi', '/run/cdi', '/var/cdi/static', '/var/cdi/dynamic'];

/** What container runtimes and NVIDIA's toolkit are told of GPUs. */
export const RUNTIME_FILES: readonly {
  readonly path: string;
  readonly runtime: 'containerd' | 'cri-o' | 'docker' | 'nvidia_toolkit';
}[] = [
  { path: '/etc/containerd/config.toml', runtime: 'containerd' },
  { path: '/etc/containerd/conf.d/99-nvidia.toml', runtime: 'containerd' },
  { path: '/var/lib/rancher/k3s/agent/etc/containerd/config.toml', runtime: 'containerd' },
  { path: '/var/lib/rancher/rke2/agent/etc/containerd/config.toml', runtime: 'containerd' },
  { path: '/etc/k0s/containerd.d/nvidia.toml', runtime: 'containerd' },
  { path: '/var/snap/microk8s/current/args/containerd.toml', runtime: 'containerd' },
  // Talos.
  { path: '/etc/cri/conf.d/cri.toml', runtime: 'containerd' },
  { path: '/etc/crio/crio.conf', runtime: 'cri-o' },
  { path: '/etc/crio/crio.conf.d/99-nvidia.conf', runtime: 'cri-o' },
  { path: '/etc/crio/crio.conf.d/99-nvidia.toml', runtime: 'cri-o' },
  { path: '/etc/docker/daemon.json', runtime: 'docker' },
  { path: '/etc/nvidia-container-runtime/config.toml', runtime: 'nvidia_toolkit' },
  {
    path: '/usr/local/nvidia/toolkit/.config/nvidia-container-runtime/config.toml',
    runtime: 'nvidia_toolkit',
  },
];

/** What pods, images and logs live on; other mounts are no matter of ours. */
export const DISKS = [
  ...['/', '/var', '/var/lib', '/var/lib/kubelet', '/var/lib/containerd', '/var/lib/containers'],
  ...['/var/lib/docker', '/var/log', '/run', '/tmp', '/mnt/stateful_partition', '/local', '/data'],
];

/** The kubelet's pod-resources service, k0s' too. */
export const POD_RESOURCES = ['/var/lib/kubelet', '/var/lib/k0s/kubelet'].map(
  kubelet => `${kubelet}/pod-resources/kubelet.sock`,
);

/** Where a container has the driver's libraries: Debian, Red Hat, GKE. */
export const CONTAINER_LIBRARIES = [
  ...['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64'],
  ...['/usr/local/nvidia/lib64', '/usr/lib/nvidia'],
];

/** A container's own cgroup as it sees it, version 2 before version 1. */
export const CONTAINER_FILES = {
  devices: ['/sys/fs/cgroup/devices/devices.list'],
  memoryLimit: ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'],
  memoryEvents: ['/sys/fs/cgroup/memory.events', '/sys/fs/cgroup/memory/memory.oom_control'],
  cpu: ['/sys/fs/cgroup/cpu.stat', '/sys/fs/cgroup/cpu/cpu.stat'],
} as const;

const ALLOWED: readonly Row[] = [
  // The driver's library, which must match the loaded module, wherever a node has it; and what tells
  // where: the GPU operator's validator, WSL's driver store, the node's own loader.
  ...init({ path: '/', take: 'library', names: /(?:^|\/)libnvidia-ml\.so[\w.]*$/ }),
  ...init({ path: '/run/nvidia/validations/driver-ready', take: 'text' }),
  ...init({ path: '/usr/lib/wsl/drivers', take: 'names', names: /^[^/]+$/ }),
  ...init({ path: '/etc/ld.so.cache', take: 'text' }),
  // Of which versions the daemons are that must be of the driver's.
  ...init({ path: '/var/lib/dpkg/status', take: 'text' }),
  // The kernel's log of this boot and earlier ones, and the zone that text logs are dated in.
  ...['/var/log/journal', '/run/log/journal'].flatMap(path =>
    init({ path, take: 'tree', names: /^(?:[\w-]{1,64}\/)?[^/]+\.journal~?$/ }),
  ),
  ...init({
    path: '/var/log',
    take: 'folder',
    names:
      /^(?:kern\.log|messages|syslog|dmesg|daemon\.log|fabricmanager\.log|nvidia-imex\.log)(?:[.-]\d{1,10}(?:-\d{1,10})?)?(?:\.(?:gz|zst|xz))?$/,
  }),
  ...init({
    path: '/var/lib/systemd/pstore',
    take: 'tree',
    names: /^(?:[^/]+\/){0,3}(?:dmesg\.txt|(?:dmesg|console)-[^/]*)$/,
  }),
  ...init({ path: '/etc/localtime', take: 'link' }),
  ...init({ path: '/etc/timezone', take: 'text' }),
  // Which pods there are, and when their containers ran: names and dates of their logs, no log.
  ...init({ path: '/var/log/pods', take: 'dates', names: /^[^/]+(?:\/[^/]+){0,2}$/ }),
  ...init({ path: '/var/log/containers', take: 'names' }),
  ...POD_RESOURCES.flatMap(socket =>
    init({ path: dirname(socket), take: 'socket', names: /^kubelet\.sock$/ }),
  ),
  ...CHECKPOINTS.map(path => ({ path, take: 'text', seenBy: 'kubelet' }) as const),
  ...CDI_DIRECTORIES.map(path => ({
    ...{ path, take: 'folder' as const, seenBy: 'container_runtime' as const },
    names: /^[\w.-]{0,64}nvidia[\w.-]{0,64}\.(?:ya?ml|json)$/,
  })),
  ...RUNTIME_FILES.map(
    ({ path }) => ({ path, take: 'text', seenBy: 'container_runtime' }) as const,
  ),
  // How the node is called and what runs on it, where /usr does not tell (COS, Talos).
  { path: '/etc/hostname', take: 'text', seenBy: 'init' },
  { path: '/etc/os-release', take: 'text', seenBy: 'init' },
  { path: '/usr/lib/os-release', take: 'text', seenBy: 'init' },
  // The links that keep GPUs in containers over `systemctl daemon-reload`; the pod has its own /dev.
  { path: '/dev/char', take: 'names', names: /^195:\d{1,4}$/, seenBy: 'init' },
  // What a container of a pod on GPUs, or of a job in focus, sees: names of libraries and devices, limits and counts.
  ...CONTAINER_LIBRARIES.map(path => ({ path, take: 'names', seenBy: 'container' }) as const),
  { path: '/dev', take: 'names', seenBy: 'container' },
  ...Object.values(CONTAINER_FILES).flatMap(paths =>
    paths.map(path => ({ path, take: 'text', seenBy: 'container' }) as const),
  ),
  // How full they are.
  ...['/dev/shm', ...DISKS].map(path => ({ path, take: 'size', seenBy: 'init' }) as const),
];

function init(row: Omit<Row, 'seenBy'>): readonly Row[] {
  return [{ ...row, seenBy: 'init' }];
}

/** The row that names a path, or the folder of which it is read, whatever is read of it. */
export const rowNaming = (path: string, ofContainer = false): Row | undefined => {
  const rows = ALLOWED.filter(row => ofContainer || row.seenBy !== 'container');
  return rows.find(row => row.path === path) ?? rows.find(row => isBelow(row, row.path, path));
};

/** Whether a path is one of what a row allows below its folder, which may really lie elsewhere. */
export function isBelow({ names }: Row, folder: string, path: string): boolean {
  const start = folder === '/' ? '/' : `${folder}/`;
  return path.startsWith(start) && names?.test(path.slice(start.length)) === true;
}

/** The row that allows this path to be read in this way. */
export const rowOf = (path: string, take: Take): Row | undefined =>
  ALLOWED.find(
    row =>
      (row.path === path && (row.take === take || (take === 'names' && row.take === 'folder'))) ||
      (take === 'text' && row.take === 'folder' && isFileOf(row, path)),
  );

/** Whether a path is one of the names of this row's folder. */
export const isFileOf = ({ path: folder, names }: Row, path: string): boolean =>
  dirname(path) === folder && names?.test(basename(path)) === true;

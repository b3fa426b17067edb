import { type Files, type Links, stat, WHOLE_ROOT } from './tree.ts';

/**
 * Nodes as the systems lay them out that GPUs run on: what of /etc, /run, /var and the mounts
 * differs between them. Sources: the systems' own images and documents, container-engine-accelerators
 * (COS), siderolabs/extensions (Talos), gpu-operator's driver and toolkit containers.
 */
export interface Layout {
  readonly name: string;
  /** Below the node's root. */
  readonly root: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  readonly mounts: readonly string[];
  /** Where the kubelet's root is not the node's: what of it it sees. */
  readonly kubeletRoot?: RegExp;
  /** Default: /var/lib/kubelet. */
  readonly kubeletFolder?: string;
  /** comm by pid, and whether it runs in the pod. */
  readonly processes: Readonly<Record<number, { comm: string; inPod?: true }>>;
  readonly cgroup: string;
  /** What is to be read of it. */
  readonly expected: {
    readonly os: string;
    readonly readOnlyByDesign: boolean;
    readonly runtimes: readonly [string, boolean][];
    readonly cdiKinds: readonly string[];
    readonly timeDaemon?: string;
    readonly persistencedInPod?: boolean;
  };
}

export const UID = '5f0c7a7e-4a4e-4d0b-9c33-2f3f1c0c8e21';
export const CONTAINER_ID = 'e'.repeat(64);
const SYSTEMD_UID = UID.replaceAll('-', '_');
const CONTAINERD = `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${SYSTEMD_UID}.slice/cri-containerd-${CONTAINER_ID}.scope`;
const CRIO = `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${SYSTEMD_UID}.slice/crio-${CONTAINER_ID}.scope`;
const CGROUPFS = `/kubepods/burstable/pod${UID}/${CONTAINER_ID}`;

const osRelease = (name: string) => `NAME="x"\nPRETTY_NAME="${name}"\nID=x\n`;
const TOML =
  'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\n  default_runtime_name = "nvidia"\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]\n';
const PLAIN_TOML =
  'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\n  default_runtime_name = "runc"\n';
const CDI = 'cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: all\n';
/** The kubelet's process, in every layout. */
const KUBELET = 20;
const CHECKPOINT = JSON.stringify({
  Data: {
    PodDeviceEntries: [
      {
        PodUID: UID,
        ContainerName: 'main',
        ResourceName: 'nvidia.com/gpu',
        DeviceIDs: { '0': ['GPU-8c1f9f2e-6a0b-4d7c-8c1f-9f2e6a0b4d7c'] },
      },
    ],
    RegisteredDevices: {},
  },
});
const RELEASE_LINK = { 'etc/os-release': '../usr/lib/os-release' };
const RUN_LINK = { 'var/run': '/run' };

export const LAYOUTS: readonly Layout[] = [
  {
    name: 'Ubuntu',
    root: {
      'usr/lib/os-release': osRelease('Ubuntu 22.04.5 LTS'),
      'etc/containerd/config.toml': TOML,
      'run/cdi/nvidia.yaml': CDI,
    },
    links: { ...RELEASE_LINK, ...RUN_LINK },
    mounts: ['22 1 259:1 / / rw,relatime - ext4 /dev/root rw,discard'],
    processes: {
      21: { comm: 'containerd' },
      22: { comm: 'systemd-timesyn' },
      23: { comm: 'nvidia-persiste' },
    },
    cgroup: CONTAINERD,
    expected: {
      os: 'Ubuntu 22.04.5 LTS',
      readOnlyByDesign: false,
      runtimes: [['/etc/containerd/config.toml', true]],
      cdiKinds: ['nvidia.com/gpu'],
      timeDaemon: 'systemd-timesyn',
      persistencedInPod: false,
    },
  },
  {
    name: 'RHEL',
    root: {
      'usr/lib/os-release': osRelease('Red Hat Enterprise Linux 9.4 (Plow)'),
      'etc/crio/crio.conf': '[crio.runtime]\n# default_runtime = "runc"\n',
      'etc/crio/crio.conf.d/99-nvidia.toml':
        '[crio.runtime]\ndefault_runtime = "nvidia"\n[crio.runtime.runtimes.nvidia]\n',
      'etc/cdi/nvidia.yaml': CDI,
    },
    links: { ...RELEASE_LINK, ...RUN_LINK },
    mounts: ['22 1 253:0 / / rw,relatime - xfs /dev/mapper/rhel-root rw,attr2'],
    processes: { 21: { comm: 'crio' }, 22: { comm: 'chronyd' } },
    cgroup: CRIO,
    expected: {
      os: 'Red Hat Enterprise Linux 9.4 (Plow)',
      readOnlyByDesign: false,
      runtimes: [
        ['/etc/crio/crio.conf', false],
        ['/etc/crio/crio.conf.d/99-nvidia.toml', true],
      ],
      cdiKinds: ['nvidia.com/gpu'],
      timeDaemon: 'chronyd',
    },
  },
  {
    name: 'COS',
    root: {
      'etc/os-release': osRelease('Container-Optimized OS from Google'),
      'etc/containerd/config.toml': PLAIN_TOML,
      'home/kubernetes/bin/nvidia/lib64/libnvidia-ml.so.1': '',
    },
    links: RUN_LINK,
    mounts: [
      '22 1 253:0 / / ro,relatime - ext2 /dev/dm-0 ro',
      '30 22 8:1 / /mnt/stateful_partition rw,nosuid - ext4 /dev/sda1 rw',
      '31 22 8:1 /var /var rw,nosuid - ext4 /dev/sda1 rw',
    ],
    processes: { 21: { comm: 'containerd' }, 22: { comm: 'chronyd' } },
    cgroup: CGROUPFS,
    expected: {
      os: 'Container-Optimized OS from Google',
      readOnlyByDesign: true,
      runtimes: [['/etc/containerd/config.toml', false]],
      cdiKinds: [],
      timeDaemon: 'chronyd',
    },
  },
  {
    name: 'Bottlerocket',
    root: {
      'usr/lib/os-release': osRelease('Bottlerocket OS 1.26.1 (aws-k8s-1.31-nvidia)'),
      'etc/containerd/config.toml': TOML,
    },
    links: { ...RELEASE_LINK, ...RUN_LINK },
    mounts: [
      '22 1 252:0 / / ro,relatime - ext4 /dev/dm-0 ro,seclabel',
      '30 22 259:5 / /local rw,nosuid,nodev - xfs /dev/nvme1n1p1 rw',
      '31 22 259:5 /var /var rw,nosuid,nodev - xfs /dev/nvme1n1p1 rw',
    ],
    processes: { 21: { comm: 'containerd' }, 22: { comm: 'chronyd' } },
    cgroup: CONTAINERD,
    expected: {
      os: 'Bottlerocket OS 1.26.1 (aws-k8s-1.31-nvidia)',
      readOnlyByDesign: true,
      runtimes: [['/etc/containerd/config.toml', true]],
      cdiKinds: [],
      timeDaemon: 'chronyd',
    },
  },
  {
    name: 'Talos',
    // Its kubelet runs in a container that containerd starts, with a few directories of the node.
    kubeletRoot: /^var\/lib\/kubelet\//,
    root: {
      'etc/os-release': osRelease('Talos (v1.9.1)'),
      'etc/cri/conf.d/cri.toml': TOML,
      'var/cdi/dynamic/nvidia.yaml': CDI,
      'usr/local/lib/libnvidia-ml.so.1': '',
    },
    links: RUN_LINK,
    mounts: [
      '22 1 7:0 / / ro,relatime - squashfs /dev/loop0 ro,errors=continue',
      '30 22 259:6 / /var rw,nosuid,noexec - xfs /dev/nvme0n1p6 rw',
    ],
    processes: { 21: { comm: 'containerd' }, 22: { comm: 'machined' } },
    cgroup: CGROUPFS,
    expected: {
      os: 'Talos (v1.9.1)',
      readOnlyByDesign: true,
      runtimes: [['/etc/cri/conf.d/cri.toml', true]],
      cdiKinds: ['nvidia.com/gpu'],
    },
  },
  {
    name: 'k3s',
    root: {
      'usr/lib/os-release': osRelease('Ubuntu 24.04.1 LTS'),
      // No file of /etc: k3s brings its containerd and writes this at each start.
      'var/lib/rancher/k3s/agent/etc/containerd/config.toml':
        "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'nvidia']\n",
      'run/cdi/nvidia.yaml': CDI,
    },
    links: { ...RELEASE_LINK, ...RUN_LINK },
    mounts: ['22 1 259:1 / / rw,relatime - ext4 /dev/root rw,discard'],
    processes: {
      [KUBELET]: { comm: 'k3s-agent' },
      21: { comm: 'containerd' },
      22: { comm: 'chronyd' },
    },
    cgroup: CGROUPFS,
    expected: {
      os: 'Ubuntu 24.04.1 LTS',
      readOnlyByDesign: false,
      runtimes: [['/var/lib/rancher/k3s/agent/etc/containerd/config.toml', true]],
      cdiKinds: ['nvidia.com/gpu'],
      timeDaemon: 'chronyd',
    },
  },
  {
    name: 'k0s',
    kubeletFolder: 'var/lib/k0s/kubelet',
    root: {
      'usr/lib/os-release': osRelease('Debian GNU/Linux 12 (bookworm)'),
      'etc/k0s/containerd.d/nvidia.toml': TOML,
    },
    links: { ...RELEASE_LINK, ...RUN_LINK },
    mounts: ['22 1 259:1 / / rw,relatime - ext4 /dev/root rw,discard'],
    processes: { 21: { comm: 'containerd' }, 22: { comm: 'chronyd' } },
    cgroup: CGROUPFS,
    expected: {
      os: 'Debian GNU/Linux 12 (bookworm)',
      readOnlyByDesign: false,
      runtimes: [['/etc/k0s/containerd.d/nvidia.toml', true]],
      cdiKinds: [],
      timeDaemon: 'chronyd',
    },
  },
  {
    name: 'AL2023',
    root: {
      'usr/lib/os-release': osRelease('Amazon Linux 2023.6.20241121'),
      'etc/containerd/config.toml': TOML,
    },
    links: { ...RELEASE_LINK, ...RUN_LINK },
    mounts: ['22 1 259:1 / / rw,noatime - xfs /dev/nvme0n1p1 rw,attr2'],
    processes: {
      21: { comm: 'containerd' },
      22: { comm: 'chronyd' },
      23: { comm: 'nvidia-persiste' },
    },
    cgroup: CONTAINERD,
    expected: {
      os: 'Amazon Linux 2023.6.20241121',
      readOnlyByDesign: false,
      runtimes: [['/etc/containerd/config.toml', true]],
      cdiKinds: [],
      timeDaemon: 'chronyd',
      persistencedInPod: false,
    },
  },
  {
    name: 'RHCOS',
    root: {
      'usr/lib/os-release': osRelease('Red Hat Enterprise Linux CoreOS 416.94.202410211619-0'),
      'etc/crio/crio.conf.d/99-nvidia.conf': '[crio.runtime.runtimes.nvidia]\n',
      'run/cdi/nvidia.yaml': CDI,
      'run/cdi/management.nvidia.com-gpu.yaml':
        'cdiVersion: 0.5.0\nkind: management.nvidia.com/gpu\n',
    },
    links: { ...RELEASE_LINK, ...RUN_LINK },
    mounts: [
      '22 1 0:25 / / ro,relatime - overlay composefs ro,seclabel',
      '30 22 259:4 /ostree/deploy/rhcos/var /var rw,relatime - xfs /dev/nvme0n1p4 rw',
    ],
    processes: { 21: { comm: 'crio' }, 22: { comm: 'chronyd' } },
    cgroup: CRIO,
    expected: {
      os: 'Red Hat Enterprise Linux CoreOS 416.94.202410211619-0',
      readOnlyByDesign: true,
      runtimes: [['/etc/crio/crio.conf.d/99-nvidia.conf', true]],
      cdiKinds: ['management.nvidia.com/gpu', 'nvidia.com/gpu'],
      timeDaemon: 'chronyd',
    },
  },
  {
    name: 'gpu-operator',
    root: {
      'usr/lib/os-release': osRelease('Ubuntu 24.04.1 LTS'),
      'etc/containerd/config.toml': PLAIN_TOML,
      'etc/containerd/conf.d/99-nvidia.toml':
        "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.nvidia]\n",
      'usr/local/nvidia/toolkit/.config/nvidia-container-runtime/config.toml':
        '[nvidia-container-runtime]\nmode = "cdi"\n',
      'run/nvidia/validations/driver-ready': 'IS_HOST_DRIVER=false\n',
      'run/cdi/management.nvidia.com-gpu.yaml':
        'cdiVersion: 0.5.0\nkind: management.nvidia.com/gpu\n',
    },
    links: { ...RELEASE_LINK, ...RUN_LINK },
    mounts: ['22 1 259:1 / / rw,relatime - ext4 /dev/root rw,discard'],
    processes: {
      21: { comm: 'containerd' },
      22: { comm: 'systemd-timesyn' },
      23: { comm: 'nvidia-persiste', inPod: true },
    },
    cgroup: CONTAINERD,
    expected: {
      os: 'Ubuntu 24.04.1 LTS',
      readOnlyByDesign: false,
      runtimes: [
        ['/etc/containerd/config.toml', false],
        ['/etc/containerd/conf.d/99-nvidia.toml', true],
        ['/usr/local/nvidia/toolkit/.config/nvidia-container-runtime/config.toml', true],
      ],
      cdiKinds: ['management.nvidia.com/gpu'],
      timeDaemon: 'systemd-timesyn',
      persistencedInPod: true,
    },
  },
];

/**
 * The tree of a layout: the node's root whole; the few directories that the pod mounts; or these,
 * and processes whose roots can be entered, as in a privileged pod with the node's PIDs.
 */
export function layoutTree(
  layout: Layout,
  see: 'whole' | 'mounts' | 'pod',
): { files: Files; links: Links } {
  const { kubeletRoot, kubeletFolder = 'var/lib/kubelet' } = layout;
  const root = {
    ...layout.root,
    [`${kubeletFolder}/device-plugins/kubelet_internal_checkpoint`]: CHECKPOINT,
  };
  // What host-mounts.ts mounts of a node of any kind.
  const seen = see === 'whole' ? /^/ : /^(?:usr|var\/log)\//;
  const processes = { [KUBELET]: { comm: 'kubelet' }, ...layout.processes };
  const pids = ['1', ...Object.keys(processes)];
  return {
    files: {
      ...(see === 'whole' && WHOLE_ROOT),
      ...below('host', root, seen),
      ...(see === 'pod' && below('node', root)),
      ...(see === 'pod' && kubeletRoot && below('kubelet', root, kubeletRoot)),
      ...Object.assign({}, ...Object.entries(processes).map(each => processFiles(layout, each))),
      [`host/var/log/pods/ml_trainer-0_${UID}/main/`]: '',
      'proc/1/mountinfo': layout.mounts.join('\n'),
      'proc/41/stat': stat({ pid: 41, comm: 'python3' }),
      'proc/41/cgroup': `0::${layout.cgroup}\n`,
    },
    links: {
      ...below('host', layout.links ?? {}, seen),
      ...(see === 'pod' && below('node', layout.links ?? {})),
      ...(see === 'pod' &&
        Object.fromEntries(
          pids.map(pid => [
            `proc/${pid}/root`,
            kubeletRoot && pid === String(KUBELET) ? '../../kubelet' : '../../node',
          ]),
        )),
    },
  };
}

const below = (folder: string, record: Readonly<Record<string, string>>, seen = /^/) =>
  Object.fromEntries(
    Object.entries(record)
      .filter(([path]) => seen.test(path))
      .map(([path, text]) => [`${folder}/${path}`, text]),
  );

function processFiles(
  { cgroup }: Layout,
  [pid, { comm, inPod }]: [string, { comm: string; inPod?: true }],
): Files {
  return {
    [`proc/${pid}/stat`]: stat({ pid: Number(pid), comm }),
    // The GPU Operator's driver pods have hostPID.
    [`proc/${pid}/status`]: `Uid:\t0\t0\t0\t0\nNSpid:\t${pid}\n`,
    [`proc/${pid}/cgroup`]: `0::${inPod ? cgroup : `/system.slice/${comm}.service`}\n`,
  };
}

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { arch, env } from 'node:process';

/** One Go module of its own with the commands built from it: their dependencies do not agree. */
export interface GoPart {
  name: string;
  /** The folder below go/ with its go.mod and go.sum, where it is not named as the part is. */
  module?: string;
  packages: readonly string[];
  /** The program's name where the package's last path element is not. */
  program?: string;
  cgo: boolean;
  tags: readonly string[];
  ldflags: readonly string[];
  secondsMax: number;
}

/** The Kubernetes of a cluster: what most tests have, and the one three minors older. */
export type Release = keyof typeof RELEASES;
const RELEASES = {
  present: { version: '1.37.2' },
  older: { version: '1.34.4', module: 'kubernetes-1.34' },
} as const;

const SAME_IN_ALL: readonly GoPart[] = [
  {
    name: 'etcd',
    packages: ['go.etcd.io/etcd/server/v3'],
    program: 'etcd',
    cgo: false,
    tags: [],
    ldflags: [],
    secondsMax: 900,
  },
  {
    name: 'containerd',
    packages: [
      'github.com/containerd/containerd/v2/cmd/containerd',
      'github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2',
      'github.com/containerd/containerd/v2/cmd/ctr',
      'github.com/containernetworking/plugins/plugins/ipam/host-local',
      'github.com/containernetworking/plugins/plugins/main/loopback',
      'github.com/containernetworking/plugins/plugins/main/ptp',
    ],
    cgo: false,
    tags: ['no_btrfs', 'no_devmapper', 'no_zfs'],
    ldflags: ['-X github.com/containerd/containerd/v2/version.Version=v2.3.7'],
    secondsMax: 1200,
  },
  {
    name: 'runc',
    packages: ['github.com/opencontainers/runc'],
    program: 'runc',
    cgo: true,
    // Static, because a node's library folder may look different from the machine's.
    tags: ['seccomp', 'netgo', 'osusergo'],
    ldflags: ['-X main.version=1.5.2', '-extldflags -static'],
    secondsMax: 600,
  },
];

export const goParts = (release: Release): readonly GoPart[] => [
  ...SAME_IN_ALL,
  kubernetes(RELEASES[release]),
];

function kubernetes({ version, module }: { version: string; module?: string }): GoPart {
  const [major, minor] = version.split('.');
  return {
    name: 'kubernetes',
    packages: ['kube-apiserver', 'kube-controller-manager', 'kubelet', 'kubectl'].map(
      program => `k8s.io/kubernetes/cmd/${program}`,
    ),
    cgo: false,
    tags: [],
    // Without these every part says that it is v0.0.0.
    ldflags: ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap(stamp => [
      `-X ${stamp}.gitVersion=v${version}`,
      `-X ${stamp}.gitMajor=${major}`,
      `-X ${stamp}.gitMinor=${minor}`,
    ]),
    secondsMax: 3600,
    ...(module !== undefined && { module }),
  };
}

/** The folder with a part's go.mod. */
export function moduleFolder({ name, module = name }: GoPart): string {
  return join(import.meta.dirname, 'go', module);
}

export const PAUSE_SOURCE = join(import.meta.dirname, 'pause.c');
export const PAUSE_IMAGE = 'localhost/pause:1';

/** Where the built parts lie: a new folder whenever a recipe changes, so that no stale part is used. */
export function partsFolder(release: Release): string {
  const parts = goParts(release);
  const recipe = createHash('sha256').update(JSON.stringify([arch, parts]));
  const files = parts.flatMap(part =>
    ['go.mod', 'go.sum', 'tools.go'].map(file => join(moduleFolder(part), file)),
  );
  for (const file of [...files, PAUSE_SOURCE]) recipe.update(readFileSync(file));
  const cache = env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return join(cache, 'kubectl-gpu-mcp', `cluster-${recipe.digest('hex').slice(0, 16)}`);
}

/** The programs of the built parts that the machine runs itself. */
export function programs(folder: string): {
  etcd: string;
  apiServer: string;
  controllerManager: string;
  kubectl: string;
  ctr: string;
  pauseImage: string;
} {
  return {
    etcd: join(folder, 'etcd', 'etcd'),
    apiServer: join(folder, 'kubernetes', 'kube-apiserver'),
    controllerManager: join(folder, 'kubernetes', 'kube-controller-manager'),
    kubectl: join(folder, 'kubernetes', 'kubectl'),
    ctr: join(folder, 'containerd', 'ctr'),
    pauseImage: join(folder, 'pause', 'pause.tar'),
  };
}

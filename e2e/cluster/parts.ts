import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { arch, env } from 'node:process';

/** One Go module of its own with the commands built from it: their dependencies do not agree. */
export interface GoPart {
  /** Also the folder below go/ with its go.mod and go.sum. */
  name: string;
  packages: readonly string[];
  /** The program's name where the package's last path element is not. */
  program?: string;
  cgo: boolean;
  tags: readonly string[];
  ldflags: readonly string[];
  secondsMax: number;
}

export const KUBERNETES_VERSION = '1.37.2';
const [KUBERNETES_MAJOR, KUBERNETES_MINOR] = KUBERNETES_VERSION.split('.');

export const GO_PARTS: readonly GoPart[] = [
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
  {
    name: 'kubernetes',
    packages: ['kube-apiserver', 'kube-controller-manager', 'kubelet', 'kubectl'].map(
      program => `k8s.io/kubernetes/cmd/${program}`,
    ),
    cgo: false,
    tags: [],
    // Without these every part says that it is v0.0.0.
    ldflags: ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap(stamp => [
      `-X ${stamp}.gitVersion=v${KUBERNETES_VERSION}`,
      `-X ${stamp}.gitMajor=${KUBERNETES_MAJOR}`,
      `-X ${stamp}.gitMinor=${KUBERNETES_MINOR}`,
    ]),
    secondsMax: 3600,
  },
];

/** The folder with a part's go.mod. */
export function moduleFolder(part: GoPart): string {
  return join(import.meta.dirname, 'go', part.name);
}

export const PAUSE_SOURCE = join(import.meta.dirname, 'pause.c');
export const PAUSE_IMAGE = 'localhost/pause:1';

/** Where the built parts lie: a new folder whenever a recipe changes, so that no stale part is used. */
export function partsFolder(): string {
  const recipe = createHash('sha256').update(JSON.stringify([arch, GO_PARTS]));
  const files = GO_PARTS.flatMap(part =>
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

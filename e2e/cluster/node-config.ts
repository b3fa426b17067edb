import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { PAUSE_IMAGE } from './parts.ts';
import type { NodeRecord } from './state.ts';

/** A file of a node: its text, or the file of this machine that it is a copy of. */
export type NodeFile = string | { copyOf: string };

/** Where the built parts are seen inside a node. */
export const PARTS_IN_NODE = '/opt/gpu-mcp-cluster';

/** What a RuntimeClass with the handler nvidia runs containers by. */
const NVIDIA_RUNTIME = '/usr/local/bin/nvidia-container-runtime';

export const CONTAINERD_SOCKET = '/run/containerd/containerd.sock';

/** What a fresh node has of its own in /etc and /var/log; a test's own files come on top. */
export function nodeFiles(
  { name, cgroup }: NodeRecord,
  podSubnet: string,
): Record<string, NodeFile> {
  return {
    '/etc/hostname': `${name}\n`,
    '/etc/hosts': `127.0.0.1 localhost\n127.0.1.1 ${name}\n`,
    '/etc/machine-id': `${randomBytes(16).toString('hex')}\n`,
    // No name server: nothing in the cluster needs one, and the machine's own must not show.
    '/etc/resolv.conf': 'options attempts:1\n',
    '/etc/os-release': osRelease(name),
    '/var/log/kern.log': '',
    '/etc/containerd/config.toml': containerdConfig(),
    [NVIDIA_RUNTIME]: { copyOf: fileURLToPath(new URL('./nvidia-runtime.sh', import.meta.url)) },
    '/etc/cni/net.d/10-ptp.conflist': networkConfig(podSubnet),
    '/etc/kubernetes/kubelet.json': kubeletConfig(cgroup),
  };
}

function osRelease(name: string): string {
  return [
    `PRETTY_NAME="GPU test node ${name}"`,
    'NAME="GPU test node"',
    'ID=gpu-test-node',
    'ID_LIKE=debian',
    'VERSION_ID="1"',
    '',
  ].join('\n');
}

function containerdConfig(): string {
  const runtime = `plugins.'io.containerd.cri.v1.runtime'`;
  const parts = `${PARTS_IN_NODE}/containerd`;
  return `version = 3
root = '/var/lib/containerd'
state = '/run/containerd'

[grpc]
address = '${CONTAINERD_SOCKET}'

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '${PAUSE_IMAGE}'

[${runtime}]
# Without CAP_SYS_RESOURCE nothing may lower its score; with it this changes nothing that we test.
restrict_oom_score_adj = true

[${runtime}.cni]
bin_dirs = ['${parts}']
conf_dir = '/etc/cni/net.d'

[${runtime}.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'

[${runtime}.containerd.runtimes.runc.options]
BinaryName = '${PARTS_IN_NODE}/runc/runc'
SystemdCgroup = false

[${runtime}.containerd.runtimes.nvidia]
runtime_type = 'io.containerd.runc.v2'

[${runtime}.containerd.runtimes.nvidia.options]
BinaryName = '${NVIDIA_RUNTIME}'
SystemdCgroup = false
`;
}

function networkConfig(podSubnet: string): string {
  const ipam = {
    type: 'host-local',
    ranges: [[{ subnet: podSubnet }]],
    routes: [{ dst: '0.0.0.0/0' }],
    dataDir: '/run/cni',
  };
  const plugins = [{ type: 'ptp', ipMasq: false, ipam }];
  return JSON.stringify({ cniVersion: '1.0.0', name: 'pods', plugins });
}

function kubeletConfig(cgroup: string): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: '/etc/kubernetes/ca.crt' },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: '/etc/kubernetes/kubelet.crt',
    tlsPrivateKeyFile: '/etc/kubernetes/kubelet.key',
    containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroup}`,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    failCgroupV1: false,
    resolvConf: '/etc/resolv.conf',
    // Only a disk that is really full may disturb a test; no image that a test imported is collected.
    evictionHard: {
      'memory.available': '50Mi',
      'nodefs.available': '1%',
      'imagefs.available': '1%',
    },
    imageGCHighThresholdPercent: 100,
    nodeStatusUpdateFrequency: '2s',
    nodeLeaseDurationSeconds: 8,
    syncFrequency: '10s',
  });
}

import type { V1Container, V1Job, V1Pod, V1PodSpec } from '../../src/cluster/port.ts';
import { ownerSpec } from '../../src/session/job.ts';
import { podSpec } from '../../src/session/pod-spec.ts';

/** A pod or Job that is no session's, by what was changed of one, and the rule that says so. */
export interface Mutant {
  readonly name: string;
  readonly rule: string;
  /** Absent: the pod's. */
  readonly job?: (job: V1Job) => void;
  readonly pod?: (pod: V1Pod) => void;
  /** Of a pod that leaves a row, or of the Job that owns such pods. */
  readonly row?: (pod: V1Pod) => void;
  readonly owner?: (job: V1Job) => void;
}

/** Makes a privileged session's pod a restricted one, less what a mutant then changes of it. */
const restricted = (name: string, rule: string, change: (spec: V1PodSpec) => void): Mutant =>
  spec(name, rule, of => {
    of.hostPID = false;
    const [first] = of.containers;
    if (!first) return;
    first.securityContext = {
      ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsUser: 0 },
      capabilities: { drop: ['ALL'], add: ['SYSLOG'] },
      seccompProfile: { type: 'RuntimeDefault' },
    };
    change(of);
  });

/** What `triage --fleet` starts. */
export function rowObjects(image: string, namespace: string) {
  const options = {
    ...{ image, namespace, name: 'gpu-mcp-row', session: 'row', nowMs: 0 },
    node: { name: 'node-a', osImage: '', labels: {}, kubeletVersion: 'v1.31.0' },
    firstQuestion: { tool: 'triage_gpu_node', input: {} },
    row: { owner: undefined },
  };
  return { pod: podSpec(options), owner: ownerSpec(options) };
}

const spec = (name: string, rule: string, change: (spec: V1PodSpec) => void): Mutant => ({
  name,
  rule,
  pod: pod => {
    if (pod.spec) change(pod.spec);
  },
});

const container = (name: string, rule: string, change: (of: V1Container) => void): Mutant =>
  spec(name, rule, ({ containers: [first] }) => {
    if (first) change(first);
  });

const volume = (name: string, volume: Readonly<Record<string, unknown>>): Mutant =>
  spec(name, 'spec.volumes', of => {
    of.volumes = [{ name: 'more', ...volume }];
  });

/** Beside a volume that sessions have, a mount that they do not have. */
const mount = (name: string, change: Readonly<Record<string, unknown>>): Mutant =>
  spec(name, 'container.volumeMounts', of => {
    of.volumes = [{ name: 'usr', hostPath: { path: '/usr', type: 'Directory' } }];
    const [first] = of.containers;
    const usual = { name: 'usr', mountPath: '/host/usr', readOnly: true };
    if (first) first.volumeMounts = [{ ...usual, ...change }];
  });

const variable = (name: string, value: string): Mutant =>
  container(`environment ${name}`, 'container.env', of => {
    of.env = [...(of.env ?? []), { name, value }];
  });

const job = (name: string, rule: string, change: (spec: NonNullable<V1Job['spec']>) => void) => ({
  name,
  rule,
  job: (of: V1Job) => {
    if (of.spec) change(of.spec);
  },
});

const probe = { exec: { command: ['sh'] } };

/** Those of a security review, and more of our own. */
export const MUTANTS: readonly Mutant[] = [
  container('a tag', 'container.image', of => {
    of.image = 'example.com/agent:latest';
  }),
  container('another digest', 'container.image', of => {
    of.image = `example.com/agent@sha256:${'1'.repeat(64)}`;
  }),
  container('a command', 'container.*', of => {
    of.command = ['node', '-e', '0'];
  }),
  container('--driver-root', 'container.args', of => {
    of.args = ['--driver-root', '/host/var/log/x'];
  }),
  container('--host-root', 'container.args', of => {
    of.args = ['--host-root', '/'];
  }),
  container('--simulate', 'container.args', of => {
    of.args = ['--simulate', 'healthy'];
  }),
  container('a key that others can read', 'container.args', of => {
    of.args = ['--redact-names', '0'.repeat(32)];
  }),
  variable('NODE_OPTIONS', '--require=/x'),
  variable('LD_PRELOAD', '/x.so'),
  variable('LD_LIBRARY_PATH', '/x'),
  container('environment from a secret', 'container.*', of => {
    of.envFrom = [{ secretRef: { name: 'x' } }];
  }),
  spec('a second container', 'spec.containers', of => {
    of.containers = [...of.containers, { name: 'more', image: 'x:1' }];
  }),
  spec('an init container', 'spec.*', of => {
    of.initContainers = [{ name: 'more', image: 'x:1' }];
  }),
  container('postStart', 'container.*', of => {
    of.lifecycle = { postStart: probe };
  }),
  container('a liveness probe', 'container.*', of => {
    of.livenessProbe = probe;
  }),
  spec('hostNetwork', 'spec.hostNetwork', of => {
    of.hostNetwork = true;
  }),
  spec('hostIPC', 'spec.hostIPC', of => {
    of.hostIPC = true;
  }),
  spec('shareProcessNamespace', 'spec.*', of => {
    delete of.hostPID;
    of.shareProcessNamespace = true;
  }),
  volume('hostPath /', { hostPath: { path: '/', type: 'Directory' } }),
  volume('hostPath /var/lib/kubelet', {
    hostPath: { path: '/var/lib/kubelet', type: 'Directory' },
  }),
  volume('hostPath /run/containerd', { hostPath: { path: '/run/containerd', type: 'Directory' } }),
  mount('/usr to write', { readOnly: false }),
  mount('subPath', { subPath: 'lib' }),
  mount('mountPropagation', { readOnly: false, mountPropagation: 'Bidirectional' }),
  volume('a secret', { secret: { secretName: 'x' } }),
  volume('a projected token', {
    projected: { sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 600 } }] },
  }),
  spec('automount', 'spec.automountServiceAccountToken', of => {
    of.automountServiceAccountToken = true;
  }),
  spec('no deadline', 'spec.activeDeadlineSeconds', of => {
    delete of.activeDeadlineSeconds;
  }),
  spec('a day to live', 'spec.activeDeadlineSeconds', of => {
    of.activeDeadlineSeconds = 86_400;
  }),
  spec('restartPolicy', 'spec.restartPolicy', of => {
    of.restartPolicy = 'Always';
  }),
  // Of our own.
  container('a readiness probe', 'container.*', of => {
    of.readinessProbe = probe;
  }),
  container('a port of the host', 'container.*', of => {
    of.ports = [{ containerPort: 80, hostPort: 80 }];
  }),
  container('a working directory', 'container.*', of => {
    of.workingDir = '/proc/1/root';
  }),
  container('a terminal', 'container.tty', of => {
    of.tty = true;
  }),
  container('no stdin: it would stay', 'container.stdin', of => {
    of.stdin = false;
    of.stdinOnce = false;
  }),
  container('a root to write to', 'container.securityContext', of => {
    of.securityContext = { privileged: true, runAsUser: 0 };
  }),
  container('more capabilities', 'container.securityContext', of => {
    of.securityContext = { ...of.securityContext, capabilities: { add: ['ALL'] } };
  }),
  container('a GPU of its own', 'container.resources', of => {
    of.resources = { ...of.resources, limits: { ...of.resources?.limits, 'nvidia.com/gpu': '8' } };
  }),
  container('no limit of memory', 'container.resources', of => {
    of.resources = { limits: { cpu: '1' }, requests: { cpu: '1' } };
  }),
  container('more memory', 'container.resources', of => {
    of.resources = {
      limits: { cpu: '1', memory: '64Gi' },
      requests: { cpu: '1', memory: '64Gi' },
    };
  }),
  container('another name', 'container.name', of => {
    of.name = 'debugger';
  }),
  container('another root of the node', 'container.env', of => {
    of.env = (of.env ?? []).map(entry =>
      entry.name === 'GPU_MCP_HOST_ROOT' ? { ...entry, value: '/proc/2/root' } : entry,
    );
  }),
  container('the variables of another profile', 'container.env', of => {
    const restricted = [
      { name: 'GPU_MCP_PROFILE', value: 'restricted' },
      { name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' },
      { name: 'NVIDIA_DRIVER_CAPABILITIES', value: 'utility' },
    ];
    of.env = (of.env ?? []).flatMap(entry =>
      entry.name === 'GPU_MCP_HOST_ROOT' ? [{ ...entry, value: '/' }, ...restricted] : [entry],
    );
  }),
  container('a variable twice', 'container.env', of => {
    of.env = [...(of.env ?? []), { name: 'GPU_MCP_NODE', value: 'other' }];
  }),
  container('a variable from a secret', 'container.env', of => {
    of.env = (of.env ?? []).map(({ name }) => ({
      name,
      valueFrom: { secretKeyRef: { name: 'x', key: 'y' } },
    }));
  }),
  container('termination message on the node', 'container.terminationMessagePath', of => {
    of.terminationMessagePath = '/dev/termination-log';
  }),
  spec('no node', 'spec.nodeName', of => {
    delete of.nodeName;
  }),
  spec('another scheduler', 'spec.schedulerName', of => {
    of.schedulerName = 'mine';
  }),
  spec('a service account', 'spec.serviceAccountName', of => {
    of.serviceAccountName = 'admin';
  }),
  spec('a class that evicts others', 'spec.priorityClassName', of => {
    of.priorityClassName = 'system-node-critical';
  }),
  spec('a DNS of its own', 'spec.*', of => {
    of.dnsConfig = { nameservers: ['1.2.3.4'] };
  }),
  spec('host aliases', 'spec.*', of => {
    of.hostAliases = [{ ip: '1.2.3.4', hostnames: ['x'] }];
  }),
  spec('groups of the node', 'spec.securityContext', of => {
    of.securityContext = { supplementalGroups: [0] };
  }),
  spec('a long grace period', 'spec.terminationGracePeriodSeconds', of => {
    of.terminationGracePeriodSeconds = 3_600;
  }),
  spec('service links', 'spec.enableServiceLinks', of => {
    delete of.enableServiceLinks;
  }),
  volume('a network disk', { nfs: { server: 'x', path: '/' } }),
  mount('the same at another place', { mountPath: '/usr' }),
  {
    name: 'no label that clean looks for',
    rule: 'metadata.labels',
    pod: ({ metadata }) => {
      if (metadata) delete metadata.labels?.['app.kubernetes.io/managed-by'];
    },
  },
  {
    name: 'in the name of a colleague',
    rule: 'metadata.user',
    pod: ({ metadata }) => {
      if (metadata) metadata.annotations = { ...metadata.annotations, 'gpu-mcp/user': 'bob' };
    },
  },
  {
    name: 'a finalizer that keeps it',
    rule: 'metadata.finalizers',
    pod: ({ metadata }) => {
      if (metadata) metadata.finalizers = ['example.com/keep'];
    },
  },
  container('another pull policy', 'container.imagePullPolicy', of => {
    of.imagePullPolicy = 'Never';
  }),
  container('stdin for many', 'container.stdinOnce', of => {
    of.stdinOnce = false;
  }),
  container('another word at its end', 'container.terminationMessagePolicy', of => {
    of.terminationMessagePolicy = 'File';
  }),
  spec('a DNS policy', 'spec.dnsPolicy', of => {
    of.dnsPolicy = 'ClusterFirst';
  }),
  spec('other tolerations', 'spec.tolerations', of => {
    of.tolerations = [{ operator: 'Exists', effect: 'NoExecute' }];
  }),
  spec('PIDs of its own', 'spec.hostPID', of => {
    of.hostPID = false;
  }),
  spec('privileged, and another runtime', 'spec.runtimeClassName', of => {
    of.runtimeClassName = 'nvidia';
  }),
  restricted('another runtime', 'spec.runtimeClassName', of => {
    of.runtimeClassName = 'kata';
  }),
  restricted('restricted, with the PIDs of the node', 'spec.hostPID', of => {
    of.hostPID = true;
  }),
  restricted('restricted, with more capabilities', 'container.securityContext', of => {
    const { capabilities } = of.containers[0]?.securityContext ?? {};
    capabilities?.add?.push('SYS_ADMIN');
  }),
  restricted(
    'restricted, and root without a filter of system calls',
    'container.securityContext',
    of => {
      delete of.containers[0]?.securityContext?.seccompProfile;
    },
  ),
  job('two pods at a time', 'job.parallelism', of => {
    of.parallelism = 2;
  }),
  job('a Job by index', 'job.completionMode', of => {
    of.completionMode = 'Indexed';
  }),
  job('a Job with two pods for a moment', 'job.podReplacementPolicy', of => {
    of.podReplacementPolicy = 'TerminatingOrFailed';
  }),
  job('a Job of many pods', 'job.completions', of => {
    of.parallelism = 9;
    of.completions = 9;
  }),
  job('a Job that tries again', 'job.backoffLimit', of => {
    of.backoffLimit = 6;
  }),
  job('a Job that stays', 'job.ttlSecondsAfterFinished', of => {
    delete of.ttlSecondsAfterFinished;
  }),
  job('a Job without a deadline', 'job.activeDeadlineSeconds', of => {
    delete of.activeDeadlineSeconds;
  }),
  job('a Job of someone else’s controller', 'job.*', of => {
    of.managedBy = 'example.com/mine';
  }),
  {
    name: 'a row’s pod with a stdin',
    rule: 'container.stdin',
    row: ({ spec: of }) => {
      const [first] = of?.containers ?? [];
      if (first) first.stdin = true;
    },
  },
  {
    name: 'a row’s pod that lives for an hour',
    rule: 'spec.activeDeadlineSeconds',
    row: ({ spec: of }) => {
      if (of) of.activeDeadlineSeconds = 3_600;
    },
  },
  {
    name: 'a row to another file',
    rule: 'container.env',
    row: ({ spec: of }) => {
      const row = of?.containers[0]?.env?.find(({ name }) => name === 'GPU_MCP_ROW_TO');
      if (row) row.value = '/proc/1/root/etc/passwd';
    },
  },
  {
    name: 'an owner of rows with a pod of its own',
    rule: 'job.completions',
    owner: ({ spec: of }) => {
      if (of) Object.assign(of, { completions: 1, parallelism: 1 });
    },
  },
  {
    name: 'an owner of rows that stays',
    rule: 'job.ttlSecondsAfterFinished',
    owner: ({ spec: of }) => {
      if (of) delete of.ttlSecondsAfterFinished;
    },
  },
  job('a Job with a command in it', 'container.*', of => {
    const [first] = of.template.spec?.containers ?? [];
    if (first) first.command = ['sh'];
  }),
  job('a Job in the name of a colleague', 'metadata.user', of => {
    const { metadata } = of.template;
    if (metadata) metadata.annotations = { ...metadata.annotations, 'gpu-mcp/user': 'bob' };
  }),
];

import type {
  NodeState,
  ObjectRef,
  V1Container,
  V1Pod,
  V1SecurityContext,
  V1Volume,
  V1VolumeMount,
} from '../cluster/port.ts';
import { UsageError } from '../contract/errors.ts';
import { type FirstQuestion, firstQuestionText } from '../contract/first-question.ts';
import {
  AGENT_ENVIRONMENT,
  ANNOTATIONS,
  CONTAINER,
  HOST_ROOT,
  LABELS,
  MANAGED_BY,
  NAME,
  PROCESS_ROOT,
  type Profile,
  TERMINATION_FILE,
} from '../contract/labels.ts';
import {
  POD_GRACE_SECONDS,
  POD_LIFE_SECONDS,
  ROW_OWNER_TTL_SECONDS,
  ROW_POD_SECONDS,
} from '../contract/limits.ts';
import { isoTime } from '../contract/time.ts';
import { VERSION } from '../contract/version.ts';
import type { ArchivedAgent } from './agent-archive.ts';
import type { CarryChoice } from './carried-agent.ts';
import { carriedCommand } from './carried-script.ts';
import { type HostMount, hostMounts, knowsRecursiveReadOnly } from './host-mounts.ts';

/** What the user may choose of the pod. */
export interface PodChoices {
  /** With a digest or a tag. */
  readonly image: string;
  /** Of --no-image: where the agent comes from, and once its node is known, what is sent to it. */
  readonly carry?: CarryChoice | undefined;
  readonly carried?: ArchivedAgent | undefined;
  /** Absent: unmounted. */
  readonly profile?: Profile | undefined;
  /** Of --profile restricted: who gives it the driver; absent: the node's default runtime. */
  readonly runtimeClassName?: string | undefined;
  /** Of --profile restricted: false leaves CAP_SYSLOG out, and with it root and the kernel's log. */
  readonly syslog?: boolean | undefined;
  readonly imagePullSecrets?: readonly string[] | undefined;
  readonly priorityClassName?: string | undefined;
  /** Request and limit in one: any LimitRange and quota that allows the value allows both. */
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
  readonly serviceAccountName?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** What the agent is asked first: it reads while we attach. */
  readonly firstQuestion?: FirstQuestion | undefined;
  /** Arguments of the agent, such as `--driver-root PATH`. */
  readonly agentArguments?: readonly string[] | undefined;
}

export interface PodOptions extends PodChoices {
  /** Unique: of the pod, or of the Job around it. */
  readonly name: string;
  readonly namespace: string;
  readonly node: Pick<NodeState, 'name' | 'osImage' | 'labels' | 'kubeletVersion'>;
  readonly session: string;
  /** Who asked, as the API server names them; for `clean` and for colleagues. */
  readonly user?: string | undefined;
  readonly nowMs: number;
  /** Host directories that this node was found to lack. */
  readonly lackingMounts?: readonly string[] | undefined;
  /** One of many that each write a row and end: nobody attaches. Removed with its owner, where it has one. */
  readonly row?: { readonly owner: Pick<ObjectRef, 'name' | 'uid'> | undefined } | undefined;
}

/**
 * The pod that reads one node: privileged and with the node's PIDs, because /dev/kmsg and the
 * driver ask for it; without credentials, network or, by default, any volume: one alone costs the
 * kubelet 0.3 s, and the agent reads what node-root/allowed.ts names through the root of process 1.
 * With --profile restricted neither: it reads what any pod may, and says what it cannot. With --no-image
 * its container is of an image of the node, and writes the agent into its own layer.
 *
 * @throws UsageError when the image has neither tag nor digest.
 */
export function podSpec(options: PodOptions): V1Pod {
  const mounts = mountsOf(options);
  const owner = options.row?.owner;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...{ name: options.name, namespace: options.namespace, ...podMarks(options) },
      ...(owner && { ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', ...owner }] }),
    },
    spec: {
      // Named, not scheduled: works on a cordoned, tainted or full node.
      nodeName: options.node.name,
      tolerations: [{ operator: 'Exists' }],
      restartPolicy: 'Never',
      activeDeadlineSeconds: options.row ? ROW_POD_SECONDS : POD_LIFE_SECONDS,
      terminationGracePeriodSeconds: POD_GRACE_SECONDS,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      // Process names, /proc and the driver's PIDs are the node's.
      hostPID: !isRestricted(options),
      hostNetwork: false,
      hostIPC: false,
      // Nothing is resolved; the default would warn where the kubelet knows no cluster DNS.
      dnsPolicy: 'Default',
      ...(options.serviceAccountName && { serviceAccountName: options.serviceAccountName }),
      ...(isRestricted(options) &&
        options.runtimeClassName && { runtimeClassName: options.runtimeClassName }),
      ...(options.priorityClassName && { priorityClassName: options.priorityClassName }),
      ...(options.imagePullSecrets?.length && {
        imagePullSecrets: options.imagePullSecrets.map(name => ({ name })),
      }),
      containers: [agentContainer(options, mounts)],
      ...(mounts.length > 0 && { volumes: mounts.map(podVolume) }),
    },
  };
}

const isRestricted = ({ profile }: PodChoices): boolean => profile === 'restricted';

/** The node's directories that the pod mounts. */
export const mountsOf = ({
  profile,
  node,
  lackingMounts = [],
}: Pick<PodOptions, 'profile' | 'node' | 'lackingMounts'>): readonly HostMount[] =>
  profile === 'mounted' ? hostMounts(node, lackingMounts) : [];

/** What it is started for, where that is short enough to be told. */
export function firstQuestionVariable({ firstQuestion: first }: Pick<PodChoices, 'firstQuestion'>) {
  const value = first && firstQuestionText(first);
  // The kubelet would put variables in.
  return value === undefined || value.includes('$(')
    ? []
    : [{ name: AGENT_ENVIRONMENT.firstQuestion, value }];
}

/** Two processes start side by side: with a limit of 1 nearly every start was throttled, with 2 none. */
export const DEFAULT_LIMITS = { cpu: '2', memory: '512Mi' } as const;

function agentContainer(options: PodOptions, mounts: readonly HostMount[]): V1Container {
  const recursive = knowsRecursiveReadOnly(options.node.kubeletVersion);
  return {
    name: CONTAINER,
    image: options.image,
    ...programOf(options),
    env: [
      { name: AGENT_ENVIRONMENT.node, value: options.node.name },
      { name: AGENT_ENVIRONMENT.session, value: options.session },
      { name: AGENT_ENVIRONMENT.hostRoot, value: rootOf(options, mounts) },
      ...(isRestricted(options) ? RESTRICTED_ENVIRONMENT : []),
      ...(options.carried && !isRestricted(options) ? PLAIN_RUNTIME : []),
      ...firstQuestionVariable(options),
      ...(options.row ? [{ name: AGENT_ENVIRONMENT.rowTo, value: TERMINATION_FILE }] : []),
    ],
    // Whoever holds the stream keeps the pod: when it drops, stdin ends and the agent exits.
    ...(options.row ? {} : { stdin: true, stdinOnce: true }),
    tty: false,
    terminationMessagePath: TERMINATION_FILE,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    resources: {
      requests: { cpu: options.cpu ?? '10m', memory: options.memory ?? '64Mi' },
      limits: {
        cpu: options.cpu ?? DEFAULT_LIMITS.cpu,
        memory: options.memory ?? DEFAULT_LIMITS.memory,
      },
    },
    securityContext: securityContext(options),
    ...(mounts.length > 0 && {
      volumeMounts: mounts.map(mount => podVolumeMount(mount, recursive)),
    }),
  };
}

/** What runs: the image's own agent, or a shell that takes the agent from the stream and becomes it. */
function programOf({ image, carried, agentArguments = [] }: PodOptions) {
  if (!carried) {
    return {
      imagePullPolicy: pullPolicy(image),
      ...(agentArguments.length > 0 && { args: [...agentArguments] }),
    };
  }
  const { command, args } = carriedCommand(carried);
  return {
    imagePullPolicy: 'Never',
    command,
    args: [...args, ...agentArguments],
    workingDir: '/',
  };
}

/** What NVIDIA's runtime puts into a restricted pod, it puts at the same place as on the node. */
const rootOf = (options: PodOptions, mounts: readonly HostMount[]): string => {
  if (isRestricted(options)) return '/';
  return mounts.length > 0 ? HOST_ROOT : PROCESS_ROOT;
};

/** NVIDIA's runtime gives all GPUs and the library for it; no GPU is asked of the scheduler. */
const RESTRICTED_ENVIRONMENT = [
  { name: AGENT_ENVIRONMENT.profile, value: 'restricted' },
  { name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' },
  { name: 'NVIDIA_DRIVER_CAPABILITIES', value: 'utility' },
];

/**
 * An image for CUDA asks for all GPUs by its environment, which a broken driver cannot give. Source of the
 * word: NVIDIA's container runtime, README: `void` has the same behaviour as runc.
 */
const PLAIN_RUNTIME = [{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'void' }];

/** The image's own user. */
export const USER = 65_532;

function securityContext(options: PodOptions): V1SecurityContext {
  const readOnlyRootFilesystem = options.carried === undefined;
  if (!isRestricted(options)) {
    return { privileged: true, readOnlyRootFilesystem, runAsUser: 0 };
  }
  const { syslog = true } = options;
  return {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem,
    // Kubernetes gives a capability to root alone: it sets none of the ambient ones (KEP-2763).
    ...(syslog ? { runAsUser: 0 } : { runAsUser: USER, runAsNonRoot: true }),
    capabilities: { drop: ['ALL'], ...(syslog && { add: ['SYSLOG'] }) },
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

/** Labels and annotations by which the cluster, its admins and we know the object. */
export function podMarks(options: PodOptions): {
  labels: Record<string, string>;
  annotations: Record<string, string>;
} {
  const lifeSeconds = options.row ? ROW_OWNER_TTL_SECONDS : POD_LIFE_SECONDS;
  return {
    labels: {
      ...NO_SIDECARS.labels,
      ...options.labels,
      [LABELS.name]: NAME,
      [LABELS.managedBy]: MANAGED_BY,
      [LABELS.component]: 'debug',
      [SESSION_LABEL]: options.session,
    },
    annotations: {
      ...NO_SIDECARS.annotations,
      ...options.annotations,
      [ANNOTATIONS.node]: options.node.name,
      [ANNOTATIONS.session]: options.session,
      ...(options.user && { [ANNOTATIONS.user]: options.user }),
      [ANNOTATIONS.version]: VERSION,
      [ANNOTATIONS.expires]: isoTime(options.nowMs + lifeSeconds * 1_000),
      // What goes through attach is in the container's log too: keep shippers from taking it away.
      'fluentbit.io/exclude': 'true',
      'co.elastic.logs/enabled': 'false',
      'ad.datadoghq.com/logs_exclude': 'true',
    },
  };
}

/**
 * How a pod says to those who put containers into pods that it wants none: a sidecar outlives our
 * container, and the Job does not end while it runs. Each word from its project's documentation:
 * Istio (a label since 1.13), Linkerd, Kuma, Consul, Dynatrace and Datadog.
 */
const NO_SIDECARS = {
  labels: {
    'sidecar.istio.io/inject': 'false',
    'kuma.io/sidecar-injection': 'disabled',
    'admission.datadoghq.com/enabled': 'false',
  },
  annotations: {
    'sidecar.istio.io/inject': 'false',
    'linkerd.io/inject': 'disabled',
    'kuma.io/sidecar-injection': 'disabled',
    'consul.hashicorp.com/connect-inject': 'false',
    'oneagent.dynatrace.com/inject': 'false',
  },
} as const;

/** Finds the pod that the Job controller made for this very session. */
export const SESSION_LABEL = ANNOTATIONS.session;

const NAME_NODE_CHARACTERS_MAX = 40;

/** `gpu-mcp-<node>-<suffix>`, a DNS label whatever the node is called. */
export function podName(node: string, suffix: string): string {
  const middle = node
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, NAME_NODE_CHARACTERS_MAX)
    .replaceAll(/^-+|-+$/g, '');
  return [NAME, middle, suffix].filter(Boolean).join('-');
}

export function pullPolicy(image: string): string {
  if (/@sha256:[0-9a-f]{64}$/.test(image)) return 'IfNotPresent';
  const tag = /:([\w][\w.-]{0,127})$/.exec(image)?.[1];
  if (tag === undefined) {
    throw new UsageError(
      `the image "${image}" has neither a tag nor a digest`,
      'name what is to run as root on the node: --image REPOSITORY@sha256:... or REPOSITORY:VERSION',
    );
  }
  // `latest` only means something when it is asked for again.
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

export const podVolume = ({ name, path }: HostMount): V1Volume => ({
  name,
  hostPath: { path, type: 'Directory' },
});

export const podVolumeMount = (
  { name, path, as }: HostMount,
  recursive: boolean,
): V1VolumeMount => ({
  name,
  mountPath: `${HOST_ROOT}${as ?? path}`,
  readOnly: true,
  ...(recursive && { recursiveReadOnly: 'IfPossible' }),
});

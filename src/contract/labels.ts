/** What marks an object in the cluster as ours, and what the agent is told by its environment. */
export const LABELS = {
  name: 'app.kubernetes.io/name',
  managedBy: 'app.kubernetes.io/managed-by',
  component: 'app.kubernetes.io/component',
  /** Of the many pods of one session: those that are removed together. */
  part: 'gpu-mcp/part',
} as const;

export const NAME = 'gpu-mcp';
export const MANAGED_BY = 'kubectl-gpu-mcp';
/** Selects every pod and Job that any session of ours made. */
export const OWN_OBJECTS_SELECTOR = `${LABELS.managedBy}=${MANAGED_BY}`;

export const ANNOTATIONS = {
  node: 'gpu-mcp/node',
  session: 'gpu-mcp/session',
  user: 'gpu-mcp/user',
  version: 'gpu-mcp/version',
  expires: 'gpu-mcp/expires-at',
} as const;

/** The agent's environment; parsed once, in agent/main.ts. */
export const AGENT_ENVIRONMENT = {
  node: 'GPU_MCP_NODE',
  session: 'GPU_MCP_SESSION',
  hostRoot: 'GPU_MCP_HOST_ROOT',
  driverRoot: 'GPU_MCP_DRIVER_ROOT',
  firstQuestion: 'GPU_MCP_FIRST_QUESTION',
  rowTo: 'GPU_MCP_ROW_TO',
  profile: 'GPU_MCP_PROFILE',
  /** Of an ephemeral container, which has neither labels nor a deadline: who made it, its time, whose PIDs it has. */
  user: 'GPU_MCP_USER',
  lifeSeconds: 'GPU_MCP_LIFE_SECONDS',
  podUid: 'GPU_MCP_POD_UID',
  container: 'GPU_MCP_CONTAINER',
  /** Set by --no-image: the libraries with which a loader started this Node. */
  libraries: 'GPU_MCP_LIBRARIES',
} as const;

/** What keeps names from answers: the key comes as the first line of stdin, where nobody else reads it. */
export const REDACT_NAMES = ['--redact-names', 'stdin'] as const;
/** That line. */
export const REDACTION_KEY = /^[0-9a-f]{32}$/;

/** What an agent in a pod says on stderr before all else: by its log a program that is silent is ours or not. */
export const AGENT_HELLO = 'the agent of kubectl gpu-mcp begins';

/** How the agent ends: with nothing of it left, or with a process that hangs in the driver. */
export const AGENT_EXIT = { allEnded: 0, driverHangs: 75 } as const;

/** Where the pod sees the node's file system: through the root of its first process, or mounted. */
export const PROCESS_ROOT = '/proc/1/root';
export const HOST_ROOT = '/host';

/**
 * How much of the node a pod of ours has: all of it, through its first process or as mounts besides; or what
 * any pod has, and its GPUs by NVIDIA's container runtime.
 */
export const POD_PROFILES = ['unmounted', 'mounted', 'restricted'] as const;
/** And without a pod of ours: a container in the user's own, which sees what that sees. */
export const EPHEMERAL = 'ephemeral';
export const PROFILES = [...POD_PROFILES, EPHEMERAL] as const;
export type Profile = (typeof PROFILES)[number];
/** What each asks a cluster for, in the words of --help, of the question of --confirm and of docs/admins.md. */
export const ASKS: Readonly<Record<Profile, string>> = {
  unmounted: 'a privileged pod with the PIDs of the node',
  mounted: 'a privileged pod with the PIDs of the node and read-only mounts',
  restricted: 'an unprivileged pod with CAP_SYSLOG at most',
  ephemeral: 'an unprivileged ephemeral container, as the user of the one beside it',
};
/** The RuntimeClass that the GPU operator and k3s make. */
export const RUNTIME_CLASS = 'nvidia';
export const CONTAINER = 'mcp';
/** Where the kubelet takes a container's last words from. Never /dev/termination-log: a runtime that shares /dev would leave it on the node. */
export const TERMINATION_FILE = '/tmp/termination-log';

/** What `--no-image` alone stands for: one that the node reports. */
export const ANY_IMAGE = 'auto';

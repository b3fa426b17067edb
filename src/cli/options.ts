import type { Options } from 'yargs';
import { FORMATS } from '../report/format.ts';

/** Every flag once. Help, checks and completion read these tables. */

const text = (description: string): Options => ({ type: 'string', description, requiresArg: true });

/** kubectl's own connection flags, with its words. */
export const CONNECTION = {
  context: text('The kubeconfig context to use'),
  cluster: text('The kubeconfig cluster to use'),
  user: text('The kubeconfig user to use'),
  kubeconfig: text('Path to the kubeconfig file'),
  namespace: { ...text("Namespace for the debug pod (default: the context's)"), alias: 'n' },
  as: text('User name to impersonate'),
  'as-group': {
    type: 'array',
    string: true,
    description: 'Group to impersonate, may be repeated',
    requiresArg: true,
  },
  'as-uid': text('UID to impersonate'),
  server: { ...text('Address of the Kubernetes API server'), alias: 's' },
  token: text('Bearer token for the API server'),
  'certificate-authority': text('Path to a certificate file of the authority'),
  'client-certificate': text('Path to a client certificate'),
  'client-key': text('Path to a client key'),
  'insecure-skip-tls-verify': {
    type: 'boolean',
    description: 'Do not check the server certificate',
  },
  'tls-server-name': text('Server name for the certificate check'),
  'request-timeout': text('How long to wait for one answer of the API server, for example 30s'),
} as const satisfies Record<string, Options>;

/** Which node, and how its agent is reached. */
export const TARGET = {
  selector: {
    ...text('Label selector of nodes, for example nvidia.com/gpu.present=true'),
    alias: 'l',
  },
  local: { type: 'boolean', description: 'This machine is the node: no cluster, no pod' },
  simulate: text('A simulated machine by name; every answer says that it is simulated'),
  from: text('A bundle that capture wrote, replayed; may be repeated, each is a node'),
  'redact-names': {
    type: 'boolean',
    description: 'No name of a process, pod, namespace, container or owner in any answer: tokens',
  },
} as const satisfies Record<string, Options>;

/** The debug pod. */
export const POD = {
  image: text('Image of the agent, with a tag or digest'),
  'image-pull-secret': {
    type: 'array',
    string: true,
    description: 'Name of a pull secret in the namespace, may be repeated',
    requiresArg: true,
  },
  lifetime: {
    ...text('What removes the pod when we cannot: a Job with a TTL, or a bare pod with a reaper'),
    choices: ['job', 'pod'],
  },
  transport: {
    ...text('Attach stream of our own, or kubectl attach'),
    choices: ['websocket', 'kubectl'],
  },
  'priority-class': text('Priority class of the pod'),
  'service-account': text('Service account of the pod (its token is never mounted)'),
  'driver-root': text('Where the driver is installed on the node, for example /run/nvidia/driver'),
  reason: text('Written to the pod as an annotation, for example INC-1234'),
} as const satisfies Record<string, Options>;

/** How answers look. */
export const OUTPUT = {
  output: {
    ...text('How the answer is written'),
    alias: 'o',
    choices: [...FORMATS],
    default: 'text',
  },
  color: {
    type: 'boolean',
    default: true,
    description: 'Colours on a terminal (--no-color: none)',
  },
} as const satisfies Record<string, Options>;

/** For every command. */
export const COMMON = {
  quiet: { type: 'boolean', alias: 'q', default: false, description: 'No progress on stderr' },
  verbose: {
    type: 'boolean',
    alias: 'v',
    default: false,
    description: 'Progress with the seconds since the start',
  },
} as const satisfies Record<string, Options>;

import * as z from 'zod';
import { CONNECTION } from '../cluster/connection-flags.ts';
import { UsageError } from '../contract/errors.ts';
import { dashed, flag } from '../contract/flag.ts';
import { text, toggle } from '../contract/flag-values.ts';
import { EPHEMERAL, LABELS, MANAGED_BY, RUNTIME_CLASS } from '../contract/labels.ts';
import { optional } from '../contract/optional.ts';
import { plainText } from '../contract/untrusted.ts';
import { asYaml } from '../report/yaml.ts';
import {
  HELD_BY_NOTHING_NEW,
  IS_SAME,
  sessionRules,
  sessionVariables,
} from '../session/admission-policy.ts';
import { archivedAgents } from '../session/agent-archive.ts';
import { type CarryChoice, withCarriedAgent } from '../session/carried-agent.ts';
import { EPHEMERAL_VARIABLES, ephemeralRules } from '../session/ephemeral-policy.ts';
import { jobSpec } from '../session/job.ts';
import { NODE_EVENT_RULE, NODE_EVENTS_NAMESPACE } from '../session/node-event.ts';
import type { Permitted } from '../session/open-fields.ts';
import { type PodChoices, type PodOptions, podName, podSpec } from '../session/pod-spec.ts';
import {
  EPHEMERAL_RULES,
  NAMESPACE,
  type RbacRule,
  rbacRules,
  roleName,
} from '../session/rights.ts';
import { withRuntimeClass } from '../session/runtime-class.ts';
import { withCluster } from './cluster.ts';
import { defineCommand, type Invocation } from './command.ts';
import { optionalWord, POD } from './flags.ts';
import { write } from './io.ts';
import { containerManifest } from './manifest-container.ts';
import { podChoices } from './pod-choices.ts';
import { SUMMARIES } from './summaries.ts';

const KINDS = ['pod', 'namespace', 'rbac', 'policy'] as const;

const FLAGS = {
  kind: flag(z.enum(KINDS), { type: 'string', choices: KINDS, isWord: true }),
  node: optionalWord('The node, for pod', { names: 'node' }),
  offline: toggle('For pod: no cluster is asked; the node is taken for one of the usual kind'),
  kyverno: toggle('For policy: ValidatingPolicies of Kyverno in the place of Kubernetes’ own'),
  group: text('For rbac: the group that gets the rights (default: gpu-on-call)'),
  event: toggle('For rbac: also what triage --event needs, which is in namespace default'),
  forUser: text('For rbac: the user that gets the rights, in the place of a group'),
  ...CONNECTION,
  ...POD,
};
type ManifestFlags = z.output<z.ZodObject<typeof FLAGS>>;

/** What would be created, and what an admin prepares: to read, sign or apply. */
export const manifest = defineCommand({
  ...SUMMARIES.manifest,
  examples: [
    ['$0 manifest pod gpu-node-3', 'the Job and pod of a session, as YAML'],
    ['$0 manifest pod gpu-node-3 --offline', 'the same without asking a cluster'],
    ['$0 manifest namespace -n gpu-mcp | kubectl apply -f -', 'a namespace that lets the pod run'],
    [
      '$0 manifest policy -n gpu-mcp --image REPOSITORY@sha256:...',
      'what lets nothing but sessions of that image run there',
    ],
  ],
  flags: FLAGS,
  async run(invocation) {
    const { args, io } = invocation;
    const { kind, namespace = NAMESPACE } = args;
    if (args.profile === EPHEMERAL && kind === 'namespace') {
      throw new UsageError(
        '--profile ephemeral has no namespace of its own',
        'its container is added to a pod of yours; manifest rbac prints the right to do so',
      );
    }
    const beside = FLAGS_OF.find(([flag, of]) => of !== kind && args[flag]);
    if (beside) {
      const [flag, of] = beside;
      throw new UsageError(`--${dashed(flag)} is for manifest ${of}`, 'leave it out');
    }
    await write(
      io.stdout,
      (await objectsOf[kind](invocation, namespace)).map(asYaml).join('---\n'),
    );
    return 0;
  },
});

/** The flags that only one kind takes. */
const FLAGS_OF = [
  ['offline', 'pod'],
  ['kyverno', 'policy'],
  ['group', 'rbac'],
  ['forUser', 'rbac'],
  ['event', 'rbac'],
] as const;

const objectsOf: Readonly<
  Record<
    (typeof KINDS)[number],
    (
      invocation: Invocation<ManifestFlags>,
      namespace: string,
    ) => Promise<readonly unknown[]> | readonly unknown[]
  >
> = {
  pod: async invocation => [
    invocation.args.profile === EPHEMERAL
      ? await containerManifest(invocation)
      : await podManifest(invocation),
  ],
  namespace: (_invocation, namespace) => [namespaceManifest(namespace)],
  rbac: ({ args: { group, forUser, event, profile } }, namespace) =>
    rbacManifests(namespace, {
      event,
      ...(forUser === undefined ? { group } : { user: forUser }),
      isEphemeral: profile === EPHEMERAL,
    }),
  policy: async ({ args, io }, namespace) => {
    const { kyverno } = args;
    // What the flags leave open, a session may choose.
    const { imagePullSecrets: _, carry, ...permitted } = podChoices({ args, io });
    const agents = carry && (await sentAgents(carry));
    const { image } = permitted;
    if (!/@sha256:[0-9a-f]{64}$/.test(image)) {
      const words = `"${plainText(image)}" may come to mean another image: name it by --${carry ? 'no-image=' : 'image '}REPOSITORY@sha256:...`;
      await write(io.stderr, `warning: ${words}\n`);
    }
    return policyManifests(namespace, { ...permitted, ...optional({ agents }) }, { kyverno });
  },
};

/** What --no-image sends, once it is known where to. */
function sentAgents({ image, archive }: CarryChoice) {
  if (image !== undefined) return archivedAgents(archive);
  throw new UsageError(
    'without a node nothing tells which image it has',
    'name the image: --no-image=REPOSITORY@sha256:...',
  );
}

/** Exactly what a session would create on that node now. */
async function podManifest(invocation: Invocation<ManifestFlags>) {
  const { args, io } = invocation;
  const { node: name } = args;
  if (name === undefined) {
    throw new UsageError('name the node', 'kubectl gpu-mcp manifest pod NODE');
  }
  const plain = name.replace(/^(nodes?|no)\//, '');
  const choices = podChoices({ args, io });
  const of = (node: PodOptions['node'], namespace: string, pod: PodChoices) => {
    const session = 'manifest';
    const options = {
      ...pod,
      ...{ name: podName(node.name, session), namespace, node, session, nowMs: io.clock.nowMs() },
    };
    return args.lifetime === 'pod' ? podSpec(options) : jobSpec(options);
  };
  if (args.offline) {
    const [carried] = choices.carry ? await sentAgents(choices.carry) : [];
    const usual = { runtimeClassName: RUNTIME_CLASS, ...optional({ ...choices, carried }) };
    return of({ ...USUAL_NODE, name: plain }, args.namespace ?? NAMESPACE, usual);
  }
  return withCluster(invocation, async cluster => {
    const say = (words: string) => invocation.progress.say(words);
    const node = await cluster.getNode(plain, io.signal);
    const chosen = await withCarriedAgent(choices, node, say);
    const pod = await withRuntimeClass(chosen, cluster, io.signal, say);
    return of(node, cluster.access.namespace, pod);
  });
}

/** Which directories `--profile mounted` mounts is told by these; all else is alike on every node. */
const USUAL_NODE = { osImage: 'Ubuntu', labels: {}, kubeletVersion: 'v1.31.0' };

/** A Kubernetes object as it is written for `kubectl apply`. */
type Manifest = Readonly<Record<string, unknown>>;

const PART_OF = { [LABELS.managedBy]: MANAGED_BY };
const PSA = 'pod-security.kubernetes.io';

/** A namespace in which Pod Security lets the debug pod run; give people rights in it alone. */
export const namespaceManifest = (name: string): Manifest => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name,
    labels: { ...PART_OF, [`${PSA}/enforce`]: 'privileged', [`${PSA}/warn`]: 'privileged' },
  },
});

/** What an admin should know before anybody is bound to it. */
const MAY_ATTACH =
  'Root on every node, by the pod it may create. Holders may also attach to each other’s running sessions: kubectl gpu-mcp clean --dry-run lists whose there are.';

/**
 * The rights that a session uses, and no more. Whoever has them may run a privileged pod in that
 * namespace, which is root on every node: Kubernetes has no smaller right for this.
 */
export function rbacManifests(
  namespace: string,
  {
    group = 'gpu-on-call',
    user,
    event = false,
    isEphemeral = false,
  }: {
    readonly group?: string | undefined;
    readonly user?: string;
    /** Also the right to leave events of nodes, which may be written by hand too. */
    readonly event?: boolean;
    /** Of a namespace of jobs: the rights of --profile ephemeral alone, which is root nowhere. */
    readonly isEphemeral?: boolean;
  },
): readonly Manifest[] {
  const name = roleName(namespace);
  const who = user === undefined ? { kind: 'Group', name: group } : { kind: 'User', name: user };
  const subject = { ...who, apiGroup: 'rbac.authorization.k8s.io' };
  const metadata = { name, labels: PART_OF };
  // Each holder has bindings of its own: applied for a second one, they leave the first what it has.
  const holder = `${name}:${who.kind.toLowerCase()}:${encodeURIComponent(who.name).replaceAll('%', '=')}`;
  const note = { annotations: { 'gpu-mcp/note': MAY_ATTACH } };
  if (isEphemeral) {
    const ofPods = { name: `${NAMESPACE}.ephemeral`, namespace, labels: PART_OF };
    const bound = { holder: `${ofPods.name}:${holder.slice(name.length + 1)}`, subject };
    return roleOf(ofPods, EPHEMERAL_RULES, bound);
  }
  const events = { name: `${name}.events`, namespace: NODE_EVENTS_NAMESPACE, labels: PART_OF };
  return [
    ...roleOf({ ...metadata, namespace, ...note }, rbacRules('namespace'), { holder, subject }),
    ...(event ? roleOf(events, [NODE_EVENT_RULE], { holder, subject }) : []),
    {
      apiVersion: RBAC,
      kind: 'ClusterRole',
      metadata,
      rules: rbacRules('cluster'),
    },
    {
      apiVersion: RBAC,
      kind: 'ClusterRoleBinding',
      metadata: { ...metadata, name: holder },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [subject],
    },
  ];
}

/** A role of a namespace, and who has it. */
const roleOf = (
  metadata: { readonly name: string; readonly namespace: string; readonly labels: object },
  rules: readonly RbacRule[],
  { holder, subject }: { readonly holder: string; readonly subject: object },
): readonly Manifest[] => {
  const { name, namespace, labels } = metadata;
  return [
    { apiVersion: RBAC, kind: 'Role', metadata, rules },
    {
      ...{ apiVersion: RBAC, kind: 'RoleBinding', metadata: { name: holder, labels, namespace } },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [subject],
    },
  ];
};

const RBAC = 'rbac.authorization.k8s.io/v1';

/** Kinds that make pods, beside the Jobs of sessions. */
const OTHER_WORKLOADS = [
  { apiGroups: [''], resources: ['replicationcontrollers', 'podtemplates'] },
  {
    apiGroups: ['apps'],
    resources: ['daemonsets', 'deployments', 'replicasets', 'statefulsets'],
  },
  { apiGroups: ['batch'], resources: ['cronjobs'] },
].map(rule => ({ ...rule, apiVersions: ['*'], operations: ['CREATE', 'UPDATE'] }));

const CONTAINERS_OF_PODS = {
  ...{ apiGroups: [''], apiVersions: ['v1'], operations: ['UPDATE'] },
  resources: ['pods/ephemeralcontainers'],
};

/** Ways into a pod, or to change one, that no session takes. */
const WAYS_INTO_PODS = [
  { operations: ['CONNECT'], resources: ['pods/exec', 'pods/portforward', 'pods/proxy'] },
  { operations: ['UPDATE'], resources: ['pods/ephemeralcontainers', 'pods/resize'] },
].map(rule => ({ ...rule, apiGroups: [''], apiVersions: ['*'] }));

const SESSIONS = [
  { apiGroups: [''], resources: ['pods'] },
  { apiGroups: ['batch'], resources: ['jobs'] },
].map(rule => ({ ...rule, apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'] }));

/**
 * What keeps everything out of the namespace but sessions of one image. The rules are those of the
 * pods and Jobs that this very version starts.
 */
export function policyManifests(
  namespace: string,
  permitted: Permitted,
  { kyverno }: { readonly kyverno: boolean },
): readonly Manifest[] {
  const write = kyverno ? kyvernoPolicy : kubernetesPolicy;
  if (permitted.profile === EPHEMERAL) {
    return write(`gpu-mcp-ephemeral.${namespace}`, namespace, {
      resourceRules: [CONTAINERS_OF_PODS],
      variables: EPHEMERAL_VARIABLES,
      validations: ephemeralRules(permitted).map(({ name, expression, message }) => ({
        ...{ expression, message: `${name}: a session has ${message} there` },
      })),
    });
  }
  return [
    ...write(`gpu-mcp-sessions.${namespace}`, namespace, {
      resourceRules: SESSIONS,
      variables: sessionVariables(permitted),
      validations: sessionRules(permitted).map(
        ({ name, expression, message, messageExpression }) => ({
          expression,
          message: `${name}: a session has ${message} there`,
          ...(messageExpression && { messageExpression }),
        }),
      ),
    }),
    ...write(`gpu-mcp-nothing-else.${namespace}`, namespace, {
      resourceRules: [...OTHER_WORKLOADS, ...WAYS_INTO_PODS],
      validations: [
        {
          expression: `${IS_SAME} && ${HELD_BY_NOTHING_NEW}`,
          message: 'nothing but sessions of kubectl gpu-mcp may be in this namespace',
          messageExpression:
            "'nothing but sessions of kubectl gpu-mcp may be in this namespace: no ' + request.resource.resource + (has(request.subResource) && request.subResource != '' ? '/' + request.subResource : '')",
        },
      ],
    }),
  ];
}

interface Policy {
  readonly resourceRules: readonly object[];
  readonly variables?: readonly object[];
  readonly validations: readonly object[];
}

const inNamespace = (namespace: string) => ({
  matchLabels: { 'kubernetes.io/metadata.name': namespace },
});

function kubernetesPolicy(
  name: string,
  namespace: string,
  { resourceRules, variables, validations }: Policy,
): readonly Manifest[] {
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const metadata = { name, labels: PART_OF };
  return [
    {
      ...{ apiVersion, kind: 'ValidatingAdmissionPolicy', metadata },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: { namespaceSelector: inNamespace(namespace), resourceRules },
        ...(variables && { variables }),
        validations: validations.map(validation => ({ ...validation, reason: 'Forbidden' })),
      },
    },
    {
      ...{ apiVersion, kind: 'ValidatingAdmissionPolicyBinding', metadata },
      spec: { policyName: name, validationActions: ['Deny'] },
    },
  ];
}

const kyvernoPolicy = (
  name: string,
  namespace: string,
  { resourceRules, variables, validations }: Policy,
): readonly Manifest[] => [
  {
    apiVersion: 'policies.kyverno.io/v1',
    kind: 'ValidatingPolicy',
    metadata: { name, labels: PART_OF },
    spec: {
      failurePolicy: 'Fail',
      validationActions: ['Deny'],
      // Who asks and what was before is only known of a request.
      evaluation: { background: { enabled: false } },
      autogen: { podControllers: { controllers: [] } },
      matchConstraints: { namespaceSelector: inNamespace(namespace), resourceRules },
      ...(variables && { variables }),
      validations,
    },
  },
];

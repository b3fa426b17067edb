import { AGENT_ENVIRONMENT, EPHEMERAL, NAME, REDACT_NAMES } from '../contract/labels.ts';
import { FIRST_QUESTION_CHARACTERS_MAX, POD_LIFE_SECONDS } from '../contract/limits.ts';
import type { Rule } from './admission-policy.ts';
import { CAPABILITIES, ephemeralContainer } from './ephemeral-container.ts';
import { literal, type Permitted } from './open-fields.ts';
import { USER } from './pod-spec.ts';

/** What is added to a pod: the containers that it did not have before. */
export const EPHEMERAL_VARIABLES = [
  {
    name: 'before',
    expression:
      'has(oldObject.spec.ephemeralContainers) ? oldObject.spec.ephemeralContainers.map(each, each.name) : []',
  },
  {
    name: 'added',
    expression:
      'has(object.spec.ephemeralContainers) ? object.spec.ephemeralContainers.filter(each, !(each.name in variables.before)) : []',
  },
  {
    name: 'beside',
    expression:
      'object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : [])',
  },
  {
    name: 'statuses',
    expression:
      'object.?status.?containerStatuses.orValue([]) + object.?status.?initContainerStatuses.orValue([])',
  },
] as const;

/** The fields that ours has, and what the API server adds to any. */
const fields = () =>
  Object.keys({
    ...ephemeralContainer({
      ...{ image: 'any:1', session: 'any', user: 'any', agentArguments: ['any'] },
      pod: { node: 'any', uid: 'any' },
      target: {
        ...{ name: 'any', state: 'running', reason: '', id: '', gpus: [] },
        security: { drop: [], add: [], confined: {} },
      },
    }),
    resources: {},
  });

/** Of what any security context of ours may hold. */
const SECURITY = [
  ...['allowPrivilegeEscalation', 'readOnlyRootFilesystem', 'runAsUser', 'runAsGroup'],
  ...['runAsNonRoot', 'capabilities', 'seccompProfile', 'appArmorProfile', 'seLinuxOptions'],
];

const DEVICE = '(GPU|MIG)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';

/** What each variable of ours may be, as CEL of `entry.value`. */
const VALUES: Readonly<Record<string, string>> = {
  [AGENT_ENVIRONMENT.node]: 'has(object.spec.nodeName) && entry.value == object.spec.nodeName',
  [AGENT_ENVIRONMENT.session]: `entry.value.matches('^[a-z0-9]{1,40}$')`,
  [AGENT_ENVIRONMENT.hostRoot]: `entry.value == '/'`,
  [AGENT_ENVIRONMENT.profile]: `entry.value == '${EPHEMERAL}'`,
  [AGENT_ENVIRONMENT.podUid]: 'entry.value == object.metadata.uid',
  [AGENT_ENVIRONMENT.container]: `entry.value.matches('^[0-9a-f]{64}$')`,
  [AGENT_ENVIRONMENT.lifeSeconds]: `entry.value == '${POD_LIFE_SECONDS}'`,
  [AGENT_ENVIRONMENT.user]: 'entry.value == request.userInfo.username',
  [AGENT_ENVIRONMENT.firstQuestion]: `size(entry.value) <= ${FIRST_QUESTION_CHARACTERS_MAX} && !entry.value.contains('$(')`,
  NVIDIA_VISIBLE_DEVICES: `entry.value.matches('^(void|${DEVICE}(,${DEVICE}){0,63})$')`,
  NVIDIA_DRIVER_CAPABILITIES: `entry.value == 'utility'`,
};

const environment = Object.entries(VALUES).reduceRight(
  (rest, [name, holds]) => `entry.name == '${name}' ? ${holds} : (${rest})`,
  'false',
);

const only = (of: string, names: readonly string[]) =>
  `dyn(${of}).all(key, key in ${literal(names)})`;

/** As what the container beside it runs: by itself, its pod, or its kubelet. */
const runAs = (key: string, id: string): string =>
  [
    `target.?securityContext.?${key}`,
    `or(object.spec.?securityContext.?${key})`,
    `or(variables.statuses.filter(status, status.name == target.name)[?0].?user.?linux.?${id})`,
  ].join('.');

const dropped = 'each.securityContext.?capabilities.?drop.orValue([])';

/**
 * Of the container beside it, which the API server knows: what confines it, its capabilities, the GPUs that its
 * kubelet gave it or that it names itself, and its user and group: by the pod, else by its kubelet (of what only the
 * image says), else the user of our image, as which a session runs then too, and no group. Who drops a capability
 * has what the runtime gives without it: ours drops it as well.
 */
const LIKE_ITS_TARGET = [
  ...['appArmorProfile', 'seLinuxOptions'].map(
    key => `each.securityContext.?${key} == target.?securityContext.?${key}`,
  ),
  `each.securityContext.?runAsUser == optional.of(${runAs('runAsUser', 'uid')}.orValue(${USER}))`,
  `each.securityContext.?runAsGroup == ${runAs('runAsGroup', 'gid')}`,
  'each.securityContext.?capabilities.?add.orValue([]).all(name, name in target.?securityContext.?capabilities.?add.orValue([]))',
  `target.?securityContext.?capabilities.?drop.orValue([]).all(name, ${dropped}.exists(own, own == name || own == 'ALL'))`,
  `each.env.all(entry, entry.name != 'NVIDIA_VISIBLE_DEVICES' || entry.value == 'void' || entry.value.split(',').all(gpu, ${[
    `target.?env.orValue([]).exists(own, own.name == 'NVIDIA_VISIBLE_DEVICES' && own.?value.orValue('').contains(gpu))`,
    'variables.statuses.exists(status, status.name == target.name && status.?allocatedResourcesStatus.orValue([]).exists(given, given.?resources.orValue([]).exists(one, one.resourceID.startsWith(gpu))))',
  ].join(' || ')}))`,
].map(holds => `(${holds})`);

/** Of a namespace of jobs: what is added to a pod there is a container of ours, of that image, and nothing else. */
export function ephemeralRules({ image }: Permitted): readonly Rule[] {
  const capabilities = 'each.securityContext.capabilities';
  const rules: readonly (readonly [name: string, holds: string, message: string])[] = [
    ['name', `each.name.startsWith('${NAME}-')`, `a name that begins with ${NAME}-`],
    ['image', `each.image == ${literal(image)}`, JSON.stringify(image)],
    ['*', only('each', fields()), `nothing but ${fields().join(', ')}`],
    [
      'args',
      `!has(each.args) || each.args in ${literal([REDACT_NAMES])}`,
      `none, or ${REDACT_NAMES.join(' ')}`,
    ],
    [
      'stdin',
      'has(each.stdin) && each.stdin && has(each.stdinOnce) && each.stdinOnce',
      'a stdin that ends with its session',
    ],
    [
      'securityContext',
      [
        'has(each.securityContext)',
        only('each.securityContext', SECURITY),
        'has(each.securityContext.allowPrivilegeEscalation) && !each.securityContext.allowPrivilegeEscalation',
        'has(each.securityContext.readOnlyRootFilesystem) && each.securityContext.readOnlyRootFilesystem',
        `has(each.securityContext.seccompProfile) && each.securityContext.seccompProfile.type == 'RuntimeDefault'`,
        `(!has(${capabilities}) || !has(${capabilities}.add) || ${capabilities}.add.all(name, name in ${literal(CAPABILITIES)}))`,
      ].join(' && '),
      'no privilege, no escalation, a read-only root, seccomp RuntimeDefault, and no capability beyond Pod Security baseline and IPC_LOCK',
    ],
    [
      'env',
      `has(each.env) && each.env.all(entry, has(entry.value) && (${environment}))`,
      `${Object.keys(VALUES).join(', ')}, each with a session's value`,
    ],
    [
      'targetContainerName',
      `has(each.targetContainerName) && variables.beside.exists(target, ${['target.name == each.targetContainerName', ...LIKE_ITS_TARGET].join(' && ')})`,
      'a container of the pod, and of its AppArmor, SELinux, user, group, capabilities and GPUs no others',
    ],
  ];
  return rules.map(([name, holds, message]) => ({
    name: `ephemeralContainers.${name}`,
    expression: `variables.added.all(each, ${holds})`,
    message,
  }));
}

import type { V1JobSpec, V1PodSpec } from '../cluster/port.ts';
import {
  AGENT_ENVIRONMENT,
  ANNOTATIONS,
  LABELS,
  MANAGED_BY,
  NAME,
  PROFILES,
  type Profile,
  REDACT_NAMES,
} from '../contract/labels.ts';
import { FIRST_QUESTION_CHARACTERS_MAX } from '../contract/limits.ts';
import { everyHostMount } from './host-mounts.ts';
import { jobSpec, ownerSpec } from './job.ts';
import {
  DEFAULT_LIMITS,
  type PodChoices,
  type PodOptions,
  podSpec,
  podVolume,
  podVolumeMount,
  SESSION_LABEL,
} from './pod-spec.ts';

/** What must hold of an object, as CEL. The first that does not hold is what the API server tells. */
export interface Rule {
  /** Where it looks: `container.securityContext`. */
  readonly name: string;
  readonly expression: string;
  /** What a session has there. */
  readonly message: string;
  /** The same with what was found, as CEL. */
  readonly messageExpression?: string;
}

/** What an admin lets a session be. */
export interface Permitted
  extends Pick<
    PodChoices,
    'image' | 'agentArguments' | 'profile' | 'cpu' | 'memory' | 'serviceAccountName'
  > {
  /** Absent: any but those of the system, which evict others. */
  readonly priorityClassName?: string | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** A field whose value is not the same in every session. */
interface Field {
  readonly cel: (at: string) => string;
  readonly says: string;
  readonly optional?: true;
}

/** A pod that is attached to, with its Job; one of many that leave a row; the Job that owns those. */
const FORMS = ['session', 'row', 'owner'] as const;
type Form = (typeof FORMS)[number];

/** What one of them is made of. */
interface Sample {
  readonly form: Form;
  readonly job: Fields | undefined;
  readonly spec: Fields;
  readonly container: Fields;
}

/**
 * Every rule of a session's pod and of its Job, made from the very objects that sessions start: what they
 * have is demanded, and what none of them has is refused by its name.
 */
export function sessionRules(permitted: Permitted): readonly Rule[] {
  const { profile, agentArguments = [] } = permitted;
  const profiles: readonly Profile[] = profile ? [profile] : PROFILES;
  const lists = [[], agentArguments, REDACT_NAMES, [...agentArguments, ...REDACT_NAMES]];
  const samples = profiles.flatMap(each =>
    lists.flatMap(args => samplesOf({ ...permitted, profile: each, agentArguments: args })),
  );
  const jobs = samples.filter(({ job }) => job !== undefined);
  const ofJob = rulesOf('job', jobs, {
    // Kueue holds Jobs back; the session then starts a bare pod.
    open: { template: ANYTHING, suspend: ANYTHING },
    added: JOB_ADDED,
  });
  const containers = samples.map(({ container }) => container);
  return [
    {
      name: 'spec.containers',
      expression: 'has(variables.spec.containers) && size(variables.spec.containers) == 1',
      message: 'one container',
    },
    ...rulesOf('spec', samples, { open: specFields(permitted), added: SPEC_ADDED }),
    ...rulesOf('container', samples, { open: containerFields(permitted, containers), added: {} }),
    ...ofJob.map(rule => ({
      ...rule,
      expression: `!variables.isJob || (${rule.expression})`,
    })),
    ...METADATA_RULES,
  ];
}

/** What the rules name: the pod's spec and metadata wherever they stand, its first container, the form. */
export const VARIABLES = [
  { name: 'isJob', expression: "request.resource.resource == 'jobs'" },
  // Of two kinds of objects each has its own fields: they are looked up and not checked before.
  { name: 'job', expression: 'dyn(object).spec' },
  {
    name: 'spec',
    expression: 'variables.isJob ? dyn(object).spec.template.spec : dyn(object).spec',
  },
  {
    name: 'container',
    expression:
      'has(variables.spec.containers) && size(variables.spec.containers) > 0 ? dyn(variables.spec.containers[0]) : dyn({})',
  },
  {
    name: 'form',
    expression: `!has(variables.container.env) || !variables.container.env.exists(entry, entry.name == '${AGENT_ENVIRONMENT.rowTo}') ? 'session' : variables.isJob ? 'owner' : 'row'`,
  },
  {
    name: 'metadata',
    expression:
      'variables.isJob ? [dyn(object).metadata, dyn(object).spec.template.metadata] : [dyn(object).metadata]',
  },
] as const;

const fieldsOf = (value: object | undefined): Fields => ({ ...value });

/** One of each form with all that it may have. */
function samplesOf(choices: PodChoices): readonly Sample[] {
  const options: PodOptions = {
    ...choices,
    imagePullSecrets: ['any'],
    serviceAccountName: choices.serviceAccountName ?? 'default',
    priorityClassName: choices.priorityClassName ?? 'any',
    firstQuestion: { tool: 'any', input: {} },
    name: 'any',
    namespace: 'any',
    node: { name: 'any', osImage: '', labels: {}, kubeletVersion: 'v1.31.0' },
    session: 'any',
    nowMs: 0,
  };
  const row = { ...options, row: { owner: undefined } };
  const sample = (form: Form, spec: V1PodSpec | undefined, job?: V1JobSpec): Sample => ({
    ...{ form, job: job && fieldsOf(job), spec: fieldsOf(spec) },
    container: fieldsOf(spec?.containers[0]),
  });
  const [{ spec: job }, { spec: owner }] = [jobSpec(options), ownerSpec(row)];
  return [
    sample('session', job?.template.spec, job),
    sample('row', podSpec(row).spec),
    sample('owner', owner?.template.spec, owner),
  ];
}

/** One rule for each field that any of the samples has or the API server adds, and one for all others. */
function rulesOf(
  room: 'job' | 'spec' | 'container',
  samples: readonly Sample[],
  fields: {
    readonly open: Readonly<Record<string, Field>>;
    readonly added: Readonly<Record<string, Field>>;
  },
): readonly Rule[] {
  const at = `variables.${room}`;
  const names = [
    ...new Set([
      ...Object.keys(fields.added),
      ...samples.flatMap(sample => Object.keys(sample[room] ?? {})),
    ]),
  ];
  const rules = names.flatMap((name): readonly Rule[] => {
    const open = fields.open[name] ?? fields.added[name];
    if (open === ANYTHING) return [];
    const forms = FORMS.flatMap(form => {
      const ofForm = samples.filter(sample => sample.form === form);
      const values = ofForm.map(sample => sample[room]?.[name]);
      const isLeftOut = values.every(value => value === undefined) && !(name in fields.added);
      const field = open && !isLeftOut ? open : fixed(name, values);
      return ofForm.length === 0
        ? []
        : [{ form, holds: holding(`${at}.${name}`, field), ...field }];
    });
    const expression = forms.reduceRight(
      (rest, { form, holds }) =>
        rest === '' || rest === holds
          ? holds
          : `variables.form == '${form}' ? ${holds} : (${rest})`,
      '',
    );
    const message = [...new Set(forms.map(({ says }) => says))].join(', where rows are left ');
    return [{ name: `${room}.${name}`, expression, message }];
  });
  const others = `dyn(${at}).filter(name, !(name in ${literal(names)}))`;
  return [
    {
      name: `${room}.*`,
      expression: `size(${others}) == 0`,
      message: `nothing but ${names.join(', ')}`,
      messageExpression: `'${room}.*: a session has no field ' + ${others}.join(', ') + ' there'`,
    },
    ...rules,
  ];
}

const holding = (at: string, { cel, optional }: Field): string =>
  optional ? `!has(${at}) || (${cel(at)})` : `has(${at}) && (${cel(at)})`;

/** False is what these are for want of a value; the API server leaves such a field out. */
const FALSE_IS_ABSENT = ['hostPID', 'hostNetwork', 'hostIPC', 'stdin', 'stdinOnce', 'tty'];

/** What the API server writes where nothing stands. */
const DEFAULTED = ['podReplacementPolicy'];

/** A field that has one of the values that it has in the samples. */
function fixed(name: string, values: readonly unknown[]): Field {
  const isAbsent = (value: unknown) =>
    value === undefined || (value === false && FALSE_IS_ABSENT.includes(name));
  const literals = [...new Set(values.filter(value => value !== undefined).map(literal))];
  const isAny = literals.length === 0 && DEFAULTED.includes(name);
  return {
    cel: at => {
      if (literals.length === 0) return String(isAny);
      return literals.length === 1 ? `${at} == ${literals[0]}` : `${at} in [${literals}]`;
    },
    says: [...new Set(values.map(value => JSON.stringify(value) ?? 'none'))].join(' or '),
    ...(values.some(isAbsent) && { optional: true }),
  };
}

/** A value as CEL writes it. A list there has values of one type, and so has a map. */
function literal(value: unknown): string {
  if (typeof value === 'string') return `'${value.replaceAll(/[\\']/g, '\\$&')}'`;
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value).map(([key, of]) => `${literal(key)}: dyn(${literal(of)})`);
  return `{${entries.join(', ')}}`;
}

const ANYTHING: Field = { cel: () => 'true', says: 'anything', optional: true };

/** What the API server writes into a pod, or may. */
const SPEC_ADDED: Readonly<Record<string, Field>> = {
  schedulerName: {
    cel: at => `${at} == 'default-scheduler'`,
    says: 'no scheduler of its own',
    optional: true,
  },
  securityContext: {
    cel: at => `size(dyn(${at})) == 0`,
    says: 'no securityContext beside its container’s',
    optional: true,
  },
  serviceAccount: {
    cel: at => `${at} == variables.spec.serviceAccountName`,
    says: 'the same as serviceAccountName',
    optional: true,
  },
  priority: ANYTHING,
  preemptionPolicy: ANYTHING,
};

const JOB_ADDED: Readonly<Record<string, Field>> = {
  selector: ANYTHING,
  manualSelector: { cel: at => `${at} == false`, says: 'false', optional: true },
  completionMode: {
    cel: at => `${at} == 'NonIndexed'`,
    says: '"NonIndexed"',
    optional: true,
  },
};

const specFields = ({
  serviceAccountName = 'default',
  priorityClassName,
}: Permitted): Readonly<Record<string, Field>> => ({
  containers: ANYTHING,
  nodeName: { cel: at => `${at} != ''`, says: 'the name of a node' },
  serviceAccountName: {
    cel: at => `${at} == ${literal(serviceAccountName)}`,
    says: JSON.stringify(serviceAccountName),
    optional: true,
  },
  priorityClassName: {
    cel: at =>
      priorityClassName === undefined
        ? `!${at}.startsWith('system-')`
        : `${at} == ${literal(priorityClassName)}`,
    says: priorityClassName ?? 'no priority class of the system',
    optional: true,
  },
  imagePullSecrets: ANYTHING,
  volumes: {
    cel: at => `${at}.all(volume, volume in ${literal(everyHostMount().map(podVolume))})`,
    says: 'read-only mounts of --profile mounted',
    optional: true,
  },
});

function containerFields(
  { cpu = DEFAULT_LIMITS.cpu, memory = DEFAULT_LIMITS.memory }: Permitted,
  containers: readonly Fields[],
): Readonly<Record<string, Field>> {
  const mounts = everyHostMount().flatMap(mount =>
    [true, false].map(recursive => podVolumeMount(mount, recursive)),
  );
  return {
    env: environmentField(containers),
    resources: {
      cel: at => resourcesCel(at, { cpu, memory }),
      says: `cpu and memory alone, at most ${cpu} and ${memory}`,
    },
    volumeMounts: {
      cel: at => `${at}.all(mount, mount in ${literal(mounts)})`,
      says: 'read-only mounts of --profile mounted',
      optional: true,
    },
  };
}

function resourcesCel(at: string, most: Readonly<Record<string, string>>): string {
  const names = Object.keys(most);
  const only = (part: string) => `dyn(${at}.${part}).all(name, name in ${literal(names)})`;
  return [
    `dyn(${at}).all(name, name in ['requests', 'limits'])`,
    `has(${at}.limits) && ${only('limits')}`,
    `has(${at}.requests) && ${only('requests')}`,
    ...Object.entries(most).map(
      ([name, value]) =>
        `has(${at}.limits.${name}) && quantity(${at}.limits.${name}).compareTo(quantity(${literal(value)})) <= 0`,
    ),
  ].join(' && ');
}

/** Its variables by name and in their order, each with its value alone. */
function environmentField(containers: readonly Fields[]): Field {
  const lists = containers.map(({ env }) => (Array.isArray(env) ? env.map(fieldsOf) : []));
  const { node, session, firstQuestion } = AGENT_ENVIRONMENT;
  const named = lists.map(list => list.map(({ name }) => String(name)));
  const names = [...named, ...named.map(list => list.filter(name => name !== firstQuestion))];
  const fixedOnes = lists
    .flat()
    .filter(({ name }) => ![node, session, firstQuestion].some(open => open === name))
    .map(({ name, value }) => literal([name, value]));
  const value = [
    `entry.name == '${node}' ? !has(variables.spec.nodeName) || entry.value == variables.spec.nodeName`,
    `entry.name == '${session}' ? entry.value.matches('^[a-z0-9]{1,40}$')`,
    `entry.name == '${firstQuestion}' ? size(entry.value) <= ${FIRST_QUESTION_CHARACTERS_MAX} && !entry.value.contains('$(')`,
    `[entry.name, entry.value] in [${[...new Set(fixedOnes)].join(', ')}]`,
  ].join(' : ');
  return {
    cel: at =>
      [
        `${at}.map(entry, entry.name) in [${[...new Set(names.map(literal))].join(', ')}]`,
        `${at}.all(entry, dyn(entry).all(key, key in ['name', 'value']) && has(entry.value) && (${value}))`,
      ].join(' && '),
    says: `${[...new Set(named.flat())].join(', ')}, each with a session's value`,
  };
}

const MARKS = Object.entries({ [LABELS.name]: NAME, [LABELS.managedBy]: MANAGED_BY });
const CONTROLLERS = [
  'system:serviceaccount:kube-system:job-controller',
  'system:kube-controller-manager',
];
const FINALIZERS = ['batch.kubernetes.io/job-tracking', 'foregroundDeletion', 'orphan'];
const userOf = (metadata: string) => `${metadata}.?annotations[?'${ANNOTATIONS.user}'].orValue('')`;

const METADATA_RULES: readonly Rule[] = [
  {
    name: 'metadata.labels',
    expression: `variables.metadata.all(metadata, has(metadata.labels) && ${[
      `'${SESSION_LABEL}' in metadata.labels`,
      ...MARKS.map(([key, value]) => `metadata.labels[?'${key}'].orValue('') == '${value}'`),
    ].join(' && ')})`,
    message: `the labels by which sessions are found: ${MARKS.map(mark => mark.join('=')).join(', ')}, ${SESSION_LABEL}`,
  },
  {
    name: 'metadata.user',
    expression: `request.operation == 'CREATE' ? request.userInfo.username in ${literal(CONTROLLERS)} || variables.metadata.all(metadata, ${userOf('metadata')} in ['', request.userInfo.username]) : ${userOf('object.metadata')} == ${userOf('oldObject.metadata')}`,
    message: `in the annotation ${ANNOTATIONS.user} the user who made it, or none`,
  },
  {
    name: 'metadata.finalizers',
    expression: `variables.metadata.all(metadata, !has(metadata.finalizers) || metadata.finalizers.all(finalizer, finalizer in ${literal(FINALIZERS)}))`,
    message: 'nothing that keeps it from being removed',
  },
];

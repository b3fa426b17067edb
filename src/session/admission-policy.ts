import type { V1JobSpec, V1PodSpec } from '../cluster/port.ts';
import {
  AGENT_ENVIRONMENT,
  ANNOTATIONS,
  LABELS,
  MANAGED_BY,
  NAME,
  POD_PROFILES,
  type Profile,
  REDACT_NAMES,
  RUNTIME_CLASS,
} from '../contract/labels.ts';
import { jobSpec, ownerSpec } from './job.ts';
import {
  ANYTHING,
  containerFields,
  type Field,
  type Fields,
  fieldsOf,
  JOB_ADDED,
  literal,
  type Permitted,
  SPEC_ADDED,
  specFields,
} from './open-fields.ts';
import { type PodChoices, type PodOptions, podSpec, SESSION_LABEL } from './pod-spec.ts';

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

/** A pod that is attached to, with its Job; one of many that leave a row; the Job that owns those. */
const PRIVILEGED = ['session', 'row', 'owner'] as const;
/** The same of --profile restricted. */
const RESTRICTED = ['restricted session', 'restricted row', 'restricted owner'] as const;
const FORMS = [...PRIVILEGED, ...RESTRICTED];
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
  const samples = permittedSamples(permitted);
  const jobs = samples.filter(({ job }) => job !== undefined);
  const ofJob = rulesOf('job', jobs, {
    // Kueue holds Jobs back; the session then starts a bare pod.
    open: () => ({ template: ANYTHING, suspend: ANYTHING }),
    added: JOB_ADDED,
  });
  const ofSpec: readonly Rule[] = [
    {
      name: 'spec.containers',
      expression: 'has(variables.spec.containers) && size(variables.spec.containers) == 1',
      message: 'one container',
    },
    ...rulesOf('spec', samples, { open: () => specFields(permitted), added: SPEC_ADDED }),
    ...rulesOf('container', samples, {
      open: of =>
        containerFields(
          permitted,
          of.map(({ container }) => container),
        ),
      added: {},
    }),
    ...ofJob.map(rule => ({
      ...rule,
      expression: `!variables.isJob || (${rule.expression})`,
    })),
  ];
  return [
    ...ofSpec.map(rule => ({ ...rule, expression: `variables.isSame || (${rule.expression})` })),
    ...METADATA_RULES,
  ];
}

/**
 * An update after which the same runs as before. It is let in whatever it is of: what was there before the
 * policy, or before a policy of another version, loses its finalizers by one, without which nothing of it goes.
 */
export const IS_SAME =
  "request.operation == 'UPDATE' && has(dyn(object).spec) && dyn(object).spec == dyn(oldObject).spec";

/** Of every profile that is let in, with every list of arguments and of capabilities. */
function permittedSamples(permitted: Permitted): readonly Sample[] {
  const { profile, agentArguments = [], syslog, agents = [undefined] } = permitted;
  const profiles: readonly Profile[] = profile ? [profile] : POD_PROFILES;
  const lists = [[], agentArguments, REDACT_NAMES, [...agentArguments, ...REDACT_NAMES]];
  return profiles.flatMap(each =>
    lists.flatMap(args =>
      agents.flatMap(carried => {
        const choices = { ...permitted, profile: each, agentArguments: args, carried };
        const withLog = syslog === false ? [] : samplesOf({ ...choices, syslog: true });
        return [...withLog, ...samplesOf({ ...choices, syslog: false })];
      }),
    ),
  );
}

/** What the rules name: the pod's spec and metadata wherever they stand, its first container, the form. */
const VARIABLES = [
  { name: 'isJob', expression: "request.resource.resource == 'jobs'" },
  { name: 'isSame', expression: IS_SAME },
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
    name: 'metadata',
    expression:
      'variables.isJob ? [dyn(object).metadata, dyn(object).spec.template.metadata] : [dyn(object).metadata]',
  },
] as const;

/** The variables, and which form an object claims to be: of those that are let in. */
export function sessionVariables({ profile }: Permitted) {
  const isRestricted = '!variables.container.?securityContext.?privileged.orValue(false)';
  const prefix =
    profile === undefined
      ? `(${isRestricted} ? 'restricted ' : '')`
      : `'${profile === 'restricted' ? 'restricted ' : ''}'`;
  const form = `!has(variables.container.env) || !variables.container.env.exists(entry, entry.name == '${AGENT_ENVIRONMENT.rowTo}') ? 'session' : variables.isJob ? 'owner' : 'row'`;
  return [...VARIABLES, { name: 'form', expression: `${prefix} + (${form})` }];
}

/** One of each form with all that it may have. */
function samplesOf(choices: PodChoices): readonly Sample[] {
  const options: PodOptions = {
    ...choices,
    imagePullSecrets: ['any'],
    runtimeClassName: choices.runtimeClassName ?? RUNTIME_CLASS,
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
  const [session, ofRow, ofOwner] = choices.profile === 'restricted' ? RESTRICTED : PRIVILEGED;
  return [
    sample(session, job?.template.spec, job),
    sample(ofRow, podSpec(row).spec),
    sample(ofOwner, owner?.template.spec, owner),
  ];
}

/** One rule for each field that any of the samples has or the API server adds, and one for all others. */
function rulesOf(
  room: 'job' | 'spec' | 'container',
  samples: readonly Sample[],
  fields: {
    /** Of the samples of one form. */
    readonly open: (samples: readonly Sample[]) => Readonly<Record<string, Field>>;
    readonly added: Readonly<Record<string, Field>>;
  },
): readonly Rule[] {
  const at = `variables.${room}`;
  const names = [
    ...new Set([
      // By it an object says of which profile it is: a wrong one is told before what it makes of the others.
      ...(room === 'container' ? ['securityContext'] : []),
      ...Object.keys(fields.added),
      ...samples.flatMap(sample => Object.keys(sample[room] ?? {})),
    ]),
  ];
  const openOf = new Map(
    FORMS.map(form => [form, fields.open(samples.filter(sample => sample.form === form))]),
  );
  const rules = names.flatMap((name): readonly Rule[] => {
    const forms = FORMS.flatMap(form => {
      const ofForm = samples.filter(sample => sample.form === form);
      const open = openOf.get(form)?.[name] ?? fields.added[name];
      const values = ofForm.map(sample => sample[room]?.[name]);
      const isLeftOut = values.every(value => value === undefined) && !(name in fields.added);
      const field = open && !isLeftOut ? open : fixed(name, values);
      return ofForm.length === 0
        ? []
        : [{ form, holds: holding(`${at}.${name}`, field), ...field }];
    });
    if (forms.every(({ cel }) => cel === ANYTHING.cel)) return [];
    const alike = [...Map.groupBy(forms, ({ holds }) => holds)];
    const expression = alike.reduceRight(
      (rest, [holds, of]) =>
        rest === ''
          ? holds
          : `variables.form in ${literal(of.map(({ form }) => form))} ? ${holds} : (${rest})`,
      '',
    );
    const message = messageOf(forms);
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

/** `true, with --profile restricted false`: what each form has that the ones before it do not. */
function messageOf(forms: readonly { readonly form: Form; readonly says: string }[]): string {
  const told = forms.filter(({ says }, at) => forms.findIndex(form => form.says === says) === at);
  return told
    .map(({ form, says }, at) => {
      if (at === 0) return says;
      const isRow = form.endsWith('row') || form.endsWith('owner');
      return `, ${isRow ? 'where rows are left' : 'with --profile restricted'} ${says}`;
    })
    .join('');
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

const MARKS = Object.entries({ [LABELS.name]: NAME, [LABELS.managedBy]: MANAGED_BY });
const CONTROLLERS = [
  'system:serviceaccount:kube-system:job-controller',
  'system:kube-controller-manager',
];
const FINALIZERS = ['batch.kubernetes.io/job-tracking', 'foregroundDeletion', 'orphan'];
/** Of an update: what keeps the object from being removed kept it before, or is Kubernetes' own. */
export const HELD_BY_NOTHING_NEW = `object.metadata.?finalizers.orValue([]).all(finalizer, finalizer in ${literal(FINALIZERS)} || finalizer in oldObject.metadata.?finalizers.orValue([]))`;
const userOf = (metadata: string) => `${metadata}.?annotations[?'${ANNOTATIONS.user}'].orValue('')`;
const labelOf = (object: string) => `${object}.metadata.?labels[?key].orValue('')`;

const METADATA_RULES: readonly Rule[] = [
  {
    name: 'metadata.labels',
    expression: `variables.isSame ? ${literal([SESSION_LABEL, ...MARKS.map(([key]) => key)])}.all(key, ${labelOf('object')} == ${labelOf('oldObject')}) : variables.metadata.all(metadata, has(metadata.labels) && ${[
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
    expression: `variables.isSame ? ${HELD_BY_NOTHING_NEW} : variables.metadata.all(metadata, !has(metadata.finalizers) || metadata.finalizers.all(finalizer, finalizer in ${literal(FINALIZERS)}))`,
    message: 'nothing that keeps it from being removed',
  },
];

import { type AdmissionRule, ApiError, isMissingRight } from '../cluster/port.ts';
import type { Admitted } from '../cluster/survey.ts';
import type { Check, CheckId } from '../contract/doctor.ts';
import { CONTAINER } from '../contract/labels.ts';
import { shell } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Facts } from './facts.ts';
import {
  answered,
  broken,
  type Found,
  failure,
  good,
  unanswered,
  unproven,
  warned,
  wordsOf,
} from './found.ts';

/**
 * What the namespace lets in. The dry runs of pod and Job decide: whoever refuses them speaks first, and
 * what stands behind is then not known.
 */
export function namespaceChecks(facts: Facts): readonly Check[] {
  return [
    namespaceCheck(facts),
    podSecurityCheck(facts),
    quotaCheck(facts),
    limitRangeCheck(facts),
    admissionCheck(facts),
  ];
}

const nameOf = ({ connection }: Facts) => answered(connection)?.namespace ?? '';

function namespaceCheck(facts: Facts): Check {
  const { labels, podRun, jobRun } = facts;
  const name = plainText(nameOf(facts), 80);
  if (labels.ok) return good('namespace', `"${name}" is there`);
  const isLacking = [labels, podRun, jobRun].some(
    found => found && !found.ok && isAbsentNamespace(found.error),
  );
  if (isLacking) {
    return broken('namespace', 3, `"${name}" is not there`, {
      hint: 'take another with -n, or have it made, with the rights in it',
      adminCommands: [applied('namespace', name), applied('rbac', name)],
    });
  }
  const isDenied = isMissingRight(labels.error);
  if (isDenied && (podRun.ok || jobRun?.ok))
    return good('namespace', `"${name}" is there, by a dry run`);
  return unanswered('namespace', labels);
}

const applied = (kind: 'namespace' | 'rbac', name: string) =>
  shell`kubectl gpu-mcp manifest ${kind} -n ${name} | kubectl apply -f -`;

const isAbsentNamespace = (error: unknown): boolean =>
  error instanceof ApiError && error.code === 404 && /namespaces? "/.test(error.message);

/** A refusal of the pod, or of the Job around it; a Job's pod is refused after the Job was made. */
interface Refusal {
  readonly error: ApiError;
  readonly exit: 3 | 4;
}

/** Without a Job the refusal answers the create itself. */
const podExit = ({ jobRun, plan }: Facts): 3 | 4 =>
  plan.lifetime === 'pod' || (jobRun && !jobRun.ok && isMissingRight(jobRun.error)) ? 3 : 4;

function refusals(facts: Facts): readonly Refusal[] {
  const of = (found: Found<Admitted> | undefined, exit: 3 | 4): readonly Refusal[] =>
    found && !found.ok && found.error instanceof ApiError ? [{ error: found.error, exit }] : [];
  return [...of(facts.jobRun, 3), ...of(facts.podRun, podExit(facts))];
}

const refusedBy = (facts: Facts, ...rules: readonly AdmissionRule[]): Refusal | undefined =>
  refusals(facts).find(({ error }) => error.rule !== undefined && rules.includes(error.rule));

const isAdmitted = ({ podRun, jobRun }: Facts): boolean =>
  podRun.ok && (jobRun === undefined || jobRun.ok || isMissingRight(jobRun.error));

/**
 * The order in which they are asked: k8s.io/kubernetes/pkg/kubeapiserver/options/plugins.go. A webhook that
 * refuses may have come before all of them, when objects are still changed.
 */
const ASKED_IN_ORDER: readonly AdmissionRule[] = [
  'limit-range',
  'pod-security',
  'policy',
  'webhook',
  'quota',
];
const ENDS_ANYWHERE: readonly AdmissionRule[] = ['webhook', 'security-context-constraint'];

/** Why nothing was refused by this one, and nothing let through either. */
function untried(id: CheckId, rules: readonly AdmissionRule[], facts: Facts): Check {
  const { podRun, jobRun } = facts;
  const found = podRun.ok ? jobRun : podRun;
  if (!found || found.ok) return unproven(id, 'the dry run does not tell');
  const { error } = found;
  if (isMissingRight(error)) return unproven(id, 'you may not create pods, so none is tried');
  if (isAbsentNamespace(error)) return unproven(id, 'the namespace is not there');
  if (!(error instanceof ApiError) || error.rule === undefined) {
    return unproven(id, `the dry run has no answer: ${wordsOf(error)}`);
  }
  const ended = ASKED_IN_ORDER.indexOf(error.rule);
  const isBefore =
    !ENDS_ANYWHERE.includes(error.rule) &&
    rules.every(rule => ASKED_IN_ORDER.indexOf(rule) < ended);
  return isBefore && !podRun.ok
    ? good(id, `the pod got past it, in a dry run that ended at ${RULE_WORDS[error.rule]}`)
    : unproven(id, `the dry run ended before that, at ${RULE_WORDS[error.rule]}`);
}

const RULE_WORDS: Readonly<Record<AdmissionRule, string>> = {
  'pod-security': 'Pod Security',
  webhook: 'a webhook',
  policy: 'a policy',
  quota: 'the quota',
  'limit-range': 'the limit range',
  'security-context-constraint': 'the security context constraints',
};

const refused = (id: CheckId, { error, exit }: Refusal, commands: readonly string[] = []): Check =>
  broken(id, exit, wordsOf(error), { hint: error.hint, commands });

/** Pod Security lists all that it would want, and the first things tell enough. */
const WORDS_MAX = 170;

const ENFORCE = 'pod-security.kubernetes.io/enforce';

function podSecurityCheck(facts: Facts): Check {
  const name = nameOf(facts);
  const label = shell`kubectl label namespace ${name} --overwrite ${ENFORCE}=privileged`;
  const refusal = refusedBy(facts, 'pod-security');
  const isRestricted = facts.pod.profile === 'restricted';
  if (refusal) {
    const usual =
      'use -n with a namespace that lets privileged pods run, or have this one labelled';
    return broken('pod-security', refusal.exit, plainText(refusal.error.message, WORDS_MAX), {
      hint: isRestricted ? refusal.error.hint : usual,
      adminCommands: [label],
    });
  }
  const level = answered(facts.labels)?.[ENFORCE];
  if (facts.podRun.ok) {
    const by = level === undefined ? '' : ` (enforce=${plainText(level, 40)})`;
    const which = isRestricted ? 'restricted pods are' : 'privileged pods are';
    return good('pod-security', `${which} let in${by}`);
  }
  // What such a pod has depends on --no-syslog: only a refusal tells.
  if (!isRestricted && (level === 'baseline' || level === 'restricted')) {
    return broken(
      'pod-security',
      podExit(facts),
      `the namespace enforces "${level}", which refuses privileged pods`,
      {
        hint: 'use -n with another namespace, or have this one labelled',
        adminCommands: [label],
      },
    );
  }
  return untried('pod-security', ['pod-security'], facts);
}

function quotaCheck(facts: Facts): Check {
  const refusal = refusedBy(facts, 'quota');
  const { quotas } = facts;
  if (refusal) return refused('quota', refusal);
  if (!isAdmitted(facts)) return untried('quota', ['quota'], facts);
  if (!quotas.ok) {
    return isMissingRight(quotas.error)
      ? good('quota', 'there is room, by a dry run')
      : unanswered('quota', quotas);
  }
  const uses = quotas.value.slice(0, QUOTAS_MAX).map(({ name, hard, used }) => {
    const counts = Object.entries(hard).map(([key, most]) => `${key} ${used[key] ?? '0'}/${most}`);
    return `"${name}" (${plainText(counts.join(', '), 120)})`;
  });
  return good('quota', uses.length === 0 ? 'none is set' : `there is room in ${uses.join(', ')}`);
}

const QUOTAS_MAX = 2;

function limitRangeCheck(facts: Facts): Check {
  const refusal = refusedBy(facts, 'limit-range');
  const { limitRanges } = facts;
  if (refusal) return refused('limit-range', refusal);
  if (!facts.podRun.ok) return untried('limit-range', ['limit-range'], facts);
  if (!limitRanges.ok) {
    return isMissingRight(limitRanges.error)
      ? good('limit-range', 'the pod is within it, by a dry run')
      : unanswered('limit-range', limitRanges);
  }
  const names = limitRanges.value.slice(0, QUOTAS_MAX).map(name => `"${name}"`);
  return good(
    'limit-range',
    names.length === 0 ? 'none is set' : `the pod is within ${names.join(', ')}`,
  );
}

function admissionCheck(facts: Facts): Check {
  const { podRun, plan } = facts;
  const refusal = refusedBy(facts, 'webhook', 'policy', 'security-context-constraint');
  const node = plan.node ?? 'NODE';
  if (refusal) return refused('admission', refusal, [shell`kubectl gpu-mcp manifest pod ${node}`]);
  const other = refusals(facts).find(
    ({ error }) => error.rule === undefined && !isMissingRight(error) && !isAbsentNamespace(error),
  );
  if (other) {
    // Nothing is known of what a webhook does that may not be asked in a dry run.
    const isUntried = /does not support dry run/.test(other.error.message);
    if (isUntried) return unproven('admission', wordsOf(other.error));
    return failureOf(other);
  }
  if (!podRun.ok || !isAdmitted(facts)) return untried('admission', ['policy', 'webhook'], facts);
  const job = answered(facts.jobRun);
  if (job?.suspended) return suspendedCheck(facts);
  const changes = [podRun.value, ...(job ? [job] : [])].flatMap(made => changesOf(made, facts));
  if (changes.length > 0) {
    return warned('admission', `the cluster changes the pod: ${[...new Set(changes)].join('; ')}`, {
      hint: 'exempt the namespace from whatever changes pods, or expect gaps in the answers',
    });
  }
  const both = facts.jobRun?.ok ? 'pod and Job' : 'the pod';
  return good('admission', `a dry run of ${both} was let through, unchanged`);
}

/** As Kueue does. */
function suspendedCheck({ plan }: Facts): Check {
  const message = 'something holds Jobs back (suspend)';
  return plan.lifetime === 'job'
    ? broken('admission', 4, message, { hint: '--lifetime pod starts the pod without a Job' })
    : warned('admission', `${message}: the pod is started without one`);
}

const failureOf = ({ error, exit }: Refusal): Check => ({
  ...failure('admission', error),
  exitCode: exit,
});

function changesOf(made: Admitted, { pod }: Facts): readonly string[] {
  const others = made.containers.filter(name => name !== CONTAINER);
  const isRestricted = pod.profile === 'restricted';
  return [
    ...(made.containers.includes(CONTAINER) ? [] : [`it has no container "${CONTAINER}"`]),
    ...(others.length > 0 ? [`it gets ${others.join(', ')} beside the agent`] : []),
    ...(made.image === pod.image ? [] : [`its image is ${made.image || 'not named'}`]),
    ...(made.privileged || isRestricted ? [] : ['it is not privileged']),
    ...(made.hostPid || isRestricted ? [] : ['it does not see the node’s processes (hostPID)']),
  ];
}

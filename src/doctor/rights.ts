import type { Check } from '../contract/doctor.ts';
import type { Profile } from '../contract/labels.ts';
import { shell } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import { type Right, rightWords, roleName } from '../session/rights.ts';
import { minorOf } from './connection.ts';
import type { Facts, Lifetime } from './facts.ts';
import { answered, broken, good, unproven, warned, wordsOf } from './found.ts';

/** One line for each right that is missing; one where all are there. */
export function rightsChecks(facts: Facts): readonly Check[] {
  const { rights, plan, pod } = facts;
  const used = rights.filter(({ right }) => isUsed(right, plan.lifetime, pod.profile));
  const missing = used.filter(({ may }) => may.ok && !may.value.allowed);
  const unknown = used.flatMap(({ right, may }) => (may.ok ? [] : [{ right, error: may.error }]));
  const allowed = used.filter(({ may }) => may.ok && may.value.allowed).length;
  const has = new Set(
    rights.filter(({ may }) => answered(may)?.allowed).map(({ right }) => rightWords(right)),
  );
  const checks = grouped(
    missing.map(({ right }) => ({ right, isNeeded: stops(right, facts, has) })),
  ).map(group => missingCheck(group, facts));
  const [first] = unknown;
  if (first) {
    const names = unknown.slice(0, NAMES_MAX).map(({ right }) => rightWords(right));
    const more = unknown.length > NAMES_MAX ? ` and ${unknown.length - NAMES_MAX} more` : '';
    checks.push(
      unproven('rights', `whether you may ${names.join(', ')}${more}: ${wordsOf(first.error)}`),
    );
  }
  if (allowed > 0 || checks.length === 0) {
    const words = `${allowed} of the ${used.length} that a session uses`;
    checks.push(
      good('rights', allowed === used.length ? `all ${allowed} that a session uses` : words),
    );
  }
  return checks;
}

const NAMES_MAX = 3;

/** A bare pod needs no Job, and a Job no bare pod. */
const isUsed = (right: Right, lifetime: Lifetime, profile: Profile | undefined): boolean =>
  (lifetime !== 'pod' || right.resource !== 'jobs') &&
  (right.profile === undefined || right.profile === profile);

/** Rights on one resource that are missing, and whether a session ends for want of them. */
interface Missing {
  readonly isNeeded: boolean;
  readonly rights: readonly [Right, ...Right[]];
}

function grouped(
  missing: readonly { readonly right: Right; readonly isNeeded: boolean }[],
): readonly Missing[] {
  const groups: Missing[] = [];
  for (const { right, isNeeded } of missing) {
    const at = groups.findIndex(
      group => group.isNeeded === isNeeded && group.rights[0].resource === right.resource,
    );
    const same = groups[at];
    if (same) groups[at] = { isNeeded, rights: [...same.rights, right] };
    else groups.push({ isNeeded, rights: [right] });
  }
  return groups;
}

function missingCheck({ isNeeded, rights }: Missing, facts: Facts): Check {
  const namespace = answered(facts.connection)?.namespace ?? '';
  const [{ scope, group, resource }] = rights;
  const where = scope === 'namespace' ? `in namespace "${namespace}"` : 'in the whole cluster';
  const verbs = rights.map(({ verb }) => verb);
  const without = [...new Set(rights.map(right => right.without))].join('; ');
  const what = rightWords({ verb: verbs.join(', '), group, resource });
  const lost = isNeeded ? 'a session cannot do without' : without;
  const message = `you may not ${what} ${where}: ${lost}`;
  const list = (words: readonly string[]) => `[${words.map(word => `"${word}"`).join(', ')}]`;
  const cure = {
    hint: `a role with {apiGroups: ${list([group])}, resources: ${list([resource])}, verbs: ${list(verbs)}}`,
    adminCommands: roleCommands(answered(facts.user), namespace),
  };
  return isNeeded ? broken('rights', 3, message, cure) : warned('rights', message, cure);
}

function stops(right: Right, facts: Facts, has: ReadonlySet<string>): boolean {
  const { lifetime } = facts.plan;
  const isOfPod = right.verb === 'create' && right.resource === 'pods';
  const isOfJob = right.verb === 'create' && right.resource === 'jobs';
  if (isOfPod && lifetime !== 'auto') return lifetime === 'pod';
  if (isOfJob && lifetime === 'job') return true;
  if (right.or !== undefined && has.has(right.or)) return false;
  if (right.stops === undefined || right.stops === true) return right.stops === true;
  // Of a server whose version is not known the strictest is taken.
  return (minorOf(facts) ?? right.stops.from) >= right.stops.from;
}

/** For whoever may grant it: the role, and who holds it. */
function roleCommands(user: string | undefined, namespace: string): readonly string[] {
  const name = plainText(user ?? '', 200);
  const apply = shell`kubectl gpu-mcp manifest rbac -n ${namespace} | kubectl apply -f -`;
  if (name === '') return [apply];
  const [, account] = /^system:serviceaccount:([^:]+:[^:]+)$/.exec(name) ?? [];
  const holder = account === undefined ? `--user=${name}` : `--serviceaccount=${account}`;
  const role = roleName(namespace);
  const binding = `gpu-mcp-${name.toLowerCase().replaceAll(/[^a-z0-9.]+/g, '-')}`;
  return [
    apply,
    shell`kubectl create rolebinding ${binding} --role=${role} ${holder} -n ${namespace}`,
    shell`kubectl create clusterrolebinding ${binding} --clusterrole=${role} ${holder}`,
  ];
}

import { AGENT_ENVIRONMENT, RUNTIME_CLASS } from '../contract/labels.ts';
import { FIRST_QUESTION_CHARACTERS_MAX } from '../contract/limits.ts';
import type { ArchivedAgent } from './agent-archive.ts';
import { everyHostMount } from './host-mounts.ts';
import { DEFAULT_LIMITS, type PodChoices, podVolume, podVolumeMount } from './pod-spec.ts';

/** What an admin lets a session be. */
export interface Permitted
  extends Pick<
    PodChoices,
    | 'image'
    | 'agentArguments'
    | 'profile'
    | 'runtimeClassName'
    | 'syslog'
    | 'cpu'
    | 'memory'
    | 'serviceAccountName'
  > {
  /** Of --no-image: what may be sent to the image, for each architecture. */
  readonly agents?: readonly ArchivedAgent[];
  /** Absent: any but those of the system, which evict others. */
  readonly priorityClassName?: string | undefined;
}

export type Fields = Readonly<Record<string, unknown>>;

/** A field whose value is not the same in every session. */
export interface Field {
  readonly cel: (at: string) => string;
  readonly says: string;
  readonly optional?: true;
}

export const fieldsOf = (value: object | undefined): Fields => ({ ...value });

/** A value as CEL writes it. A list there has values of one type, and so has a map. */
export function literal(value: unknown): string {
  if (typeof value === 'string') {
    return `'${value.replaceAll(/[\\']/g, '\\$&').replaceAll('\n', '\\n')}'`;
  }
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value).map(([key, of]) => `${literal(key)}: dyn(${literal(of)})`);
  return `{${entries.join(', ')}}`;
}

export const ANYTHING: Field = { cel: () => 'true', says: 'anything', optional: true };

/** What the API server writes into a pod, or may. */
export const SPEC_ADDED: Readonly<Record<string, Field>> = {
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

export const JOB_ADDED: Readonly<Record<string, Field>> = {
  selector: ANYTHING,
  manualSelector: { cel: at => `${at} == false`, says: 'false', optional: true },
  completionMode: {
    cel: at => `${at} == 'NonIndexed'`,
    says: '"NonIndexed"',
    optional: true,
  },
};

export const specFields = ({
  serviceAccountName = 'default',
  priorityClassName,
  runtimeClassName = RUNTIME_CLASS,
}: Permitted): Readonly<Record<string, Field>> => ({
  containers: ANYTHING,
  nodeName: { cel: at => `${at} != ''`, says: 'the name of a node' },
  serviceAccountName: {
    cel: at => `${at} == ${literal(serviceAccountName)}`,
    says: JSON.stringify(serviceAccountName),
    optional: true,
  },
  runtimeClassName: {
    cel: at => `${at} == ${literal(runtimeClassName)}`,
    says: `${JSON.stringify(runtimeClassName)} or none`,
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

export function containerFields(
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

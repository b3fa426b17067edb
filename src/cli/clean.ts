import * as z from 'zod';
import { CONNECTION, ConnectionFlags, printedConnection } from '../cluster/connection-flags.ts';
import { connect } from '../cluster/kubernetes-cluster.ts';
import type { OwnObject } from '../cluster/port.ts';
import { ClusterError, GpuMcpError } from '../contract/errors.ts';
import { toggle } from '../contract/flag-values.ts';
import { optional } from '../contract/optional.ts';
import { shell, withConnection } from '../contract/printed-command.ts';
import { momentMs } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';
import { ENTRY_STAYS } from '../session/own-container.ts';
import { type ReaperOrders, reap as reapPod } from '../session/reaper.ts';
import { type Cleaned, clean as cleanUp } from '../session/sweep.ts';
import { type EndedContainer, endContainers } from '../session/sweep-containers.ts';
import { withCluster } from './cluster.ts';
import { defineCommand } from './command.ts';
import { moment, words } from './flags.ts';
import { write } from './io.ts';
import { SUMMARIES } from './summaries.ts';

const WORDS: Readonly<Record<Cleaned['outcome'], (object: OwnObject) => string>> = {
  deleted: () => 'deleted',
  ending: () => 'is being deleted',
  would_delete: () => 'would be deleted',
  gone: () => 'was gone already',
  kept: () => 'kept: it still runs (--older-than 0s deletes it)',
  kept_of_another: ofAnother,
};

/** Removes what earlier sessions left. */
export const clean = defineCommand({
  ...SUMMARIES.clean,
  examples: [
    ['$0 clean', 'what your ended sessions left'],
    ['$0 clean gpu-mcp-gpu-node-3-x7k2p', 'one session, whoever began it'],
  ],
  flags: {
    names: words('Pods or Jobs of sessions by name, whoever began them', { names: 'session' }),
    ...CONNECTION,
    allNamespaces: toggle('In all namespaces', { alias: 'A' }),
    dryRun: toggle('Only list'),
    olderThan: moment('Also running sessions of at least this age, for example 1h'),
  },
  run: invocation =>
    withCluster(invocation, async cluster => {
      const { args, io } = invocation;
      const nowMs = io.clock.nowMs();
      const { olderThan, dryRun, names } = args;
      const olderThanMs = olderThan === undefined ? undefined : nowMs - momentMs(olderThan, nowMs);
      const namespace = args.allNamespaces ? null : cluster.access.namespace;
      const cleaned = await cleanUp(
        { cluster, namespace, names, dryRun, ...optional({ olderThanMs }) },
        io.signal,
      );
      const lines = cleaned.map(
        ({ object, outcome }) =>
          `${object.kind} ${object.namespace}/${object.name} on ${object.node}: ${WORDS[outcome](object)}`,
      );
      const ended = await endContainers(
        { cluster, namespace, names, dryRun, olderThanMs },
        io.signal,
      );
      lines.push(...ended.map(containerLine));
      const text = withConnection(lines.join('\n'), printedConnection(args));
      if (text !== '') await write(io.stdout, `${text}\n`);
      const there = [
        ...cleaned.map(({ object }) => object.name),
        ...ended.map(({ container }) => container.name),
      ];
      const absent = names.filter(name => !there.includes(name));
      const unknown =
        absent.length === 0
          ? undefined
          : `${absent.join(', ')}: no session of ours has ${absent.length > 1 ? 'these names' : 'this name'} in ${namespace === null ? 'any namespace' : `namespace "${namespace}"`}`;
      const running = ended.filter(({ outcome }) => outcome === 'still_runs');
      if (running.length > 0) {
        const of = running.map(({ container }) => container.name).join(', ');
        const sentence = `${of}: not ended; Kubernetes removes no container from a pod`;
        throw new GpuMcpError([sentence, ...(unknown === undefined ? [] : [unknown])].join('; '), {
          ...{ exit: 5, hint: 'its line says why; it goes with its pod' },
        });
      }
      if (unknown !== undefined) {
        throw new ClusterError(unknown, {
          hint: 'kubectl gpu-mcp clean --dry-run -A lists them all',
        });
      }
      if (lines.length === 0) await write(io.stdout, 'nothing of ours is left\n');
      return 0;
    }),
});

/** A container in a pod of others: Kubernetes removes none, and only its stdin or its pod ends it. */
function containerLine({ container, outcome, why = '' }: EndedContainer): string {
  const { pod, name, node } = container;
  const { namespace } = pod;
  const byPod = shell`kubectl delete pod ${pod.name} -n ${namespace}`;
  const bySelf = shell`kubectl gpu-mcp clean -n ${namespace} ${name}`;
  const words: Readonly<Record<EndedContainer['outcome'], () => string>> = {
    ended: () => `has ended; ${ENTRY_STAYS}`,
    would_end: () => `would be ended; ${ENTRY_STAYS}`,
    waits: () =>
      'kept: it has not started, and ends by itself where it does and nobody speaks to it',
    kept: () => `kept: it still runs, and ends with its session (${bySelf} ends it)`,
    kept_of_another: () => ofAnother({ user: container.user, namespace, name }, 'ends'),
    still_runs: () =>
      `still runs, and cannot be removed: ${plainText(why, 300)} (${byPod} ends it, and its job)`,
  };
  return `container ${name} in pod ${namespace}/${pod.name} on ${node}: ${words[outcome]()}`;
}

/** Whose another's object is, and how it goes all the same. */
function ofAnother(
  { user, namespace, name }: Pick<OwnObject, 'user' | 'namespace' | 'name'>,
  does = 'deletes',
): string {
  const whose =
    user === '' ? 'it carries no name of a user' : `it is a session of "${plainText(user, 120)}"`;
  return `kept: ${whose} (kubectl gpu-mcp clean -n ${namespace} ${name} ${does} it)`;
}

const Orders = z.object({ connection: ConnectionFlags });
const Guarded = z.object({
  objects: z.array(
    z.object({
      kind: z.enum(['job', 'pod', 'pods']),
      namespace: z.string(),
      name: z.string(),
      uid: z.string(),
    }),
  ),
});

/** The detached process that outlives a killed plugin; started by us alone, so it has no help. */
export const reap = defineCommand({
  command: 'reap',
  description: false,
  flags: {},
  async run({ io }) {
    const outcome = await reapPod<ConnectionFlags>({
      input: io.stdin,
      isOrders: (value): value is ReaperOrders<ConnectionFlags> => Orders.safeParse(value).success,
      isGuarded: (value): value is z.output<typeof Guarded> => Guarded.safeParse(value).success,
      connect: flags => connect({ flags, environment: io.environment, clock: io.clock }),
    });
    return outcome === 'failed' ? 4 : 0;
  },
});

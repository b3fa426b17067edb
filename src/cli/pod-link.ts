import { printedConnection } from '../cluster/connection-flags.ts';
import type { Cluster, ObjectName } from '../cluster/port.ts';
import { targetWord } from '../cluster/workloads.ts';
import { UsageError } from '../contract/errors.ts';
import type { CommandWords } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Link } from '../session/link.ts';
import type { PodChoices } from '../session/pod-spec.ts';
import type { OpenLink } from '../session/session.ts';
import { reachedBy } from './concealed.ts';
import type { TargetFlags } from './flags.ts';
import { podChoices } from './pod-choices.ts';
import type { SessionRecord } from './record.ts';
import type { SessionOptions } from './sessions.ts';

/** @throws UsageError for all that --profile ephemeral does not look at. */
export function refuseNodes(
  args: Pick<TargetFlags, 'target' | 'selector' | 'allGpuNodes' | 'contexts' | 'fleet'>,
): void {
  const { target, selector, allGpuNodes, contexts = [], fleet } = args;
  const beside = {
    '-l': selector !== undefined,
    '--all-gpu-nodes': allGpuNodes === true,
    '--fleet': fleet === true,
    'a second --context': contexts.length > 1,
  };
  const [other] = Object.entries(beside).find(([, isGiven]) => isGiven) ?? [];
  const hint = 'name one pod: kubectl gpu-mcp triage pod/NAME --profile ephemeral';
  if (other !== undefined) {
    throw new UsageError(`${other} and --profile ephemeral exclude each other`, hint);
  }
  const [word, ...more] = target;
  if (word === undefined || more.length > 0) {
    throw new UsageError('--profile ephemeral looks at one pod', hint);
  }
  podNameOf(word);
}

/** `pod/NAME`. @throws UsageError for whatever is no pod. */
export function podNameOf(word: string): string {
  const named = targetWord(word);
  if (named.of === 'pod') return named.name;
  throw new UsageError(
    `"${plainText(word, 100)}" is not a pod, and --profile ephemeral looks at one from within`,
    `name one pod, pod/NAME; without the profile ${named.of === 'node' ? 'the node' : 'their nodes'} can be read`,
  );
}

/** What the commands carry of a session within a pod: who pastes one is to ask that pod again, and not its node. */
export function podWords(
  { node, namespace }: { readonly node: string; readonly namespace: string },
  { args }: Pick<SessionOptions, 'args'>,
): CommandWords {
  const [pod = ''] = args.target;
  return {
    ...printedConnection({ ...args, namespace }),
    within: { pod: `pod/${podNameOf(pod)}`, node },
  };
}

/** What is asked for the pod: a right that is missing there is one of another role than a node's. */
export async function withPodRole<Found>(
  find: () => Promise<Found>,
  cluster: () => Promise<Cluster>,
  { redaction }: Pick<SessionOptions, 'redaction'>,
): Promise<Found> {
  try {
    return await find();
  } catch (error) {
    const { withRole } = await import('../session/kubernetes.ts');
    const { namespace } = (await cluster()).access;
    redaction?.known.learn('ns', namespace);
    throw withRole(error, { namespace });
  }
}

/** How the agent in a container that is added to the pod is reached. */
export function podLink(
  {
    node,
    cluster,
    randomSuffix,
  }: {
    readonly node: string;
    readonly cluster: () => Promise<Cluster>;
    readonly randomSuffix: () => string;
  },
  options: SessionOptions,
): OpenLink {
  const { args, redaction, record } = options;
  const { image, agentArguments } = podChoices(options, redaction);
  return async (signal, onProgress, onHeld, first) => {
    const { openEphemeralLink } = await import('../session/kubernetes.ts');
    const connected = await cluster();
    const { namespace } = connected.access;
    const pod = { namespace, name: podNameOf(args.target[0] ?? '') };
    onProgress(`pod ${pod.name}, ${reachedBy(connected.access)}, namespace ${namespace}`);
    const made: { readonly uid: string; readonly container: string }[] = [];
    const link = await openEphemeralLink(
      {
        ...{ cluster: connected, pod, container: args.container, randomSuffix, onHeld },
        choices: { image, agentArguments, firstQuestion: first },
        onContainer: own => made.push(own),
        ...(redaction && {
          foreign: redaction.known.foreign,
          onPod: ({ containers, sidecars, own, alsoNamed }) => {
            const names = [...containers, ...sidecars].map(each => each.name);
            const isOurs = (name: string) => own.some(each => each.name === name);
            redaction.known.learn('word', ...alsoNamed.filter(each => !isOurs(each)));
            redaction.known.learn('ctr', ...names);
          },
        }),
      },
      signal,
      onProgress,
    );
    const pods = made.map(({ uid, container }) => ({
      ...{ pod: { ...pod, uid }, container, choices: { image } },
    }));
    await recordPod(record, { node, pods, link, cluster: connected });
    return redaction?.keyed(link) ?? link;
  };
}

export type RunningPod = ObjectName & { readonly uid: string };

/** With what was sent to it, where it has no image of ours. */
export interface StartedPod {
  readonly pod: RunningPod;
  readonly choices: Pick<PodChoices, 'image' | 'carried'>;
  /** Of ours in a pod of others. */
  readonly container?: string;
}

/** A pod that cannot be written down is asked nothing. */
export async function recordPod(
  record: SessionRecord | undefined,
  {
    pods,
    link,
    ...of
  }: {
    readonly node: string;
    readonly pods: readonly StartedPod[];
    readonly link: Link;
    readonly cluster: Cluster;
  },
): Promise<void> {
  if (!record) return;
  try {
    const { podFact } = await import('./record.ts');
    for (const { pod, container, choices } of pods) {
      const { image, carried } = choices;
      record.write(await podFact({ ...of, pod, container, image, sent: carried?.digest }));
    }
  } catch (error) {
    await link.close();
    throw error;
  }
}

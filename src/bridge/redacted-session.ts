import type { ObjectName } from '../cluster/port.ts';
import { type ClusterQuestion, type ClusterView, clusterView } from '../contract/cluster-view.ts';
import { REDACT_NAMES } from '../contract/labels.ts';
import { optional } from '../contract/optional.ts';
import type { CommandWords } from '../contract/printed-command.ts';
import { missing } from '../contract/reading.ts';
import { type TargetJob, targetJob } from '../contract/target-job.ts';
import type { Progress } from '../mcp/tool-call.ts';
import { type KnownNames, knownNames } from '../redaction/known-names.ts';
import { createNames, isToken, type NameKind, type Names } from '../redaction/names.ts';
import { redactor } from '../redaction/redacted.ts';
import type { Link } from '../session/link.ts';
import type { Session, ToolRequest } from '../session/port.ts';
import { inPodNames } from '../tools/support/pod-places.ts';

/** What one run of the program needs to keep names from answers: one key for all of its nodes. */
export interface Redaction {
  /** The agent does its half on the node, with the key that the link brings. */
  readonly agentArguments: readonly string[];
  /** The link, with the key sent as the first line; it is in no argument that others can read. */
  keyed(link: Link): Link;
  /** The session with its cluster's view redacted, and tools' input as tokens. */
  session(session: Session, podsOfNode?: PodsOfNode): Session;
  /** A target's pods by their tokens. */
  job(job: TargetJob): TargetJob;
  /** What is said beside the answers: progress, errors, what stays. */
  readonly known: KnownNames;
}

/** The pods of the node by name: asked only to find out which one a token means. */
type PodsOfNode = (signal: AbortSignal) => Promise<readonly ObjectName[]>;

export function createRedaction(key: string): Redaction {
  const names = createNames(key);
  const known = knownNames(names);
  const withheld = redactor(targetJob, names);
  return {
    known,
    agentArguments: REDACT_NAMES,
    keyed: link => {
      link.toAgent.write(`${key}\n`);
      return link;
    },
    session: (session, podsOfNode) => redactedSession(session, { names, known, podsOfNode }),
    job: job => withheld(inPodNames(job)),
  };
}

function redactedSession(
  session: Session,
  {
    names,
    known,
    podsOfNode,
  }: {
    readonly names: Names;
    readonly known: KnownNames;
    readonly podsOfNode: PodsOfNode | undefined;
  },
): Session {
  const { clusterView, commandWords } = session;
  const { text } = known;
  known.keep(session.target);
  const told = <Told>(promise: Promise<Told>) =>
    promise.catch((error: unknown) => {
      throw known.error(error);
    });
  const saying =
    (onProgress: Progress): Progress =>
    (message, ...more) =>
      onProgress(text(message), ...more);
  const nodeNowMs = session.nodeNowMs?.bind(session);
  const redacted = redactedView(names);
  return {
    target: session.target,
    call: request => told(session.call({ ...request, onProgress: saying(request.onProgress) })),
    start: (signal, onProgress) => told(session.start(signal, saying(onProgress))),
    async close() {
      const { removed, ended, ...closed } = await session.close();
      return {
        ...closed,
        removed: removed === null ? null : text(removed),
        ...(ended !== undefined && { ended: text(ended) }),
      };
    },
    ...(nodeNowMs && { nodeNowMs: signal => told(nodeNowMs(signal)) }),
    ...optional({ commandWords: commandWords && tokenWords(commandWords, known) }),
    concealInput: input => concealedInput(input, names),
    ...(clusterView && {
      clusterView: async ({ pod: token, ...asked }, signal) => {
        const pod = token && (await revealed(token, { names, podsOfNode, signal }));
        const view = redacted(await clusterView({ ...asked, ...(pod && { pod }) }, signal));
        if (!token || pod) return view;
        return { ...view, pod: missing('not_found'), podEvents: missing('not_found') };
      },
    }),
  };
}

/** What its commands carry: of its namespace, container and pod the tokens, of all else what its reader wrote. */
function tokenWords(
  { namespace, pod, within, ...words }: CommandWords,
  { word }: KnownNames,
): CommandWords {
  const flag = (text: string) =>
    text.replace(
      /^(--(?:namespace|container)=)(.+)$/s,
      (_all, key: string, name: string) => `${key}${word(name)}`,
    );
  return {
    ...{ ...words, namespace: namespace.map(flag) },
    ...optional({
      pod: pod?.map(flag),
      within: within && { ...within, pod: `pod/${word(within.pod.replace(/^pod\//, ''))}` },
    }),
  };
}

/** `pod` and `namespace` as tokens, whether they came as names or as tokens. */
function concealedInput(input: ToolRequest['input'], names: Names): ToolRequest['input'] {
  const token = (kind: NameKind, text: string) =>
    isToken(kind, text) ? text : names.token(kind, text);
  const { pod, namespace } = input;
  const parts = typeof pod === 'string' ? pod.split('/') : [];
  const [first = '', second] = parts;
  return {
    ...input,
    ...(typeof pod === 'string' && {
      pod:
        second === undefined
          ? token('pod', first)
          : `${token('ns', first)}/${token('pod', second)}`,
    }),
    ...(typeof namespace === 'string' && { namespace: token('ns', namespace) }),
  };
}

type NamedPod = NonNullable<ClusterQuestion['pod']>;

/** The pod that tokens mean, for the API server; undefined where nobody here has heard of it. */
async function revealed(
  token: NamedPod,
  by: {
    readonly names: Names;
    readonly podsOfNode: PodsOfNode | undefined;
    readonly signal: AbortSignal;
  },
): Promise<NamedPod | undefined> {
  const { names, podsOfNode, signal } = by;
  const find = (): NamedPod | undefined => {
    const name = names.nameOf(token.name);
    const namespace = token.namespace && names.nameOf(token.namespace);
    if (name === undefined || (token.namespace && namespace === undefined)) return undefined;
    return { name, ...optional({ namespace }) };
  };
  const known = find();
  if (known || !podsOfNode) return known;
  // The token is the agent's, of a pod that this half has not read yet; what cannot be listed is unknown.
  for (const { namespace, name } of await podsOfNode(signal).catch(() => [])) {
    names.token('ns', namespace);
    names.token('pod', name);
  }
  return find();
}

/**
 * What the cluster says of a node without the names of whoever uses it. Names of nodes, UIDs, times
 * and numbers stay.
 */
export function redactedView(names: Names): (view: ClusterView) => ClusterView {
  return redactor(clusterView, names);
}

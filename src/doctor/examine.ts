import { ApiError, isMissingRight, type NodeState } from '../cluster/port.ts';
import { UnprovenAnswer } from '../cluster/proven.ts';
import type { Survey } from '../cluster/survey.ts';
import { UsageError } from '../contract/errors.ts';
import {
  DOCTOR_ANSWER_MS_MAX,
  DOCTOR_LOGIN_MS_MAX,
  DOCTOR_RIGHTS_AT_ONCE,
} from '../contract/limits.ts';
import { shell } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import { withCarriedAgent } from '../session/carried-agent.ts';
import { jobSpec } from '../session/job.ts';
import { type PodChoices, type PodOptions, podName, podSpec } from '../session/pod-spec.ts';
import { RIGHTS } from '../session/rights.ts';
import { withRuntimeClass } from '../session/runtime-class.ts';
import { unusableNode } from '../session/start-signs.ts';
import type { Connection, Facts, Laptop, NodeFacts, Plan } from './facts.ts';
import { type Asking, answered, ask, type Found, notAsked } from './found.ts';

export interface Examination extends Asking {
  /** Reads the kubeconfig. */
  readonly open: () => Promise<Survey>;
  readonly lookAtLaptop: (asking: Asking) => Promise<Laptop>;
  readonly plan: Omit<Plan, 'node'>;
  /** NAME, node/NAME, pod/NAME ... */
  readonly target: string | undefined;
  readonly pod: PodChoices;
  readonly hasGpus: (node: NodeState) => boolean;
  /** Is told what is waited for, and how long at most. */
  readonly onWait: (what: string, msMax: number) => void;
}

/**
 * Asks all that tells whether a session would start, side by side and each with its own bound. Nothing
 * is created: pod and Job are tried by dry runs.
 *
 * @throws UsageError for flags that contradict, and a target that is no one node.
 */
export async function examine(examination: Examination): Promise<Facts> {
  const { open, lookAtLaptop, target, clock } = examination;
  // An image that is none is refused here.
  podSpec(podOf({ examination, namespace: '', machine: undefined, user: undefined }));
  const laptop = lookAtLaptop(examination);
  laptop.catch(() => undefined);
  const opened = await ask(examination, DOCTOR_ANSWER_MS_MAX, open);
  if (!opened.ok && opened.error.exit === 2) throw opened.error;
  const connection: Found<Connection> = opened.ok
    ? { ...opened, value: connectionOf(opened.value) }
    : opened;
  const plan = { ...examination.plan, node: target };
  const survey = answered(opened);
  const answers = survey
    ? await askInOrder(examination, plan, survey)
    : unaskedFacts(examination, plan, 'there is no connection to ask over');
  return { ...answers, connection, laptop: await laptop, nowMs: clock.nowMs() };
}

type Answers = Omit<Facts, 'connection' | 'laptop' | 'nowMs'>;

/** Login, then the API server, then all the rest: where one does not answer no more is asked. */
async function askInOrder(examination: Examination, plan: Plan, survey: Survey): Promise<Answers> {
  const { onWait } = examination;
  try {
    onWait('logging in', DOCTOR_LOGIN_MS_MAX);
    const login = await ask(examination, DOCTOR_LOGIN_MS_MAX, signal => survey.logIn(signal));
    if (!login.ok) {
      return {
        ...unaskedFacts(examination, plan, 'there are no credentials to ask with'),
        login,
      };
    }
    onWait('asking the API server', DOCTOR_ANSWER_MS_MAX);
    // Alone, so that its time is that of a round trip.
    const version = await ask(examination, DOCTOR_ANSWER_MS_MAX, signal => survey.version(signal));
    if (isSilent(version)) {
      const none = unaskedFacts(examination, plan, 'the API server was not reached');
      return { ...none, login, version };
    }
    const answers = await askCluster(examination, survey);
    return { ...answers, login, version, aheadMs: survey.aheadMs };
  } finally {
    survey.close();
  }
}

/** Whoever refuses, or answers with something else, may answer the other questions. */
const isSilent = (found: Found<unknown>): boolean =>
  !found.ok && !(found.error instanceof ApiError || found.error instanceof UnprovenAnswer);

async function askCluster(
  examination: Examination,
  survey: Survey,
): Promise<Omit<Answers, 'login' | 'version' | 'aheadMs'>> {
  const { target, plan, hasGpus } = examination;
  const asked = <T>(question: (signal: AbortSignal) => Promise<T>) =>
    ask(examination, DOCTOR_ANSWER_MS_MAX, question);
  const user = asked(signal => survey.cluster.whoAmI(signal));
  const named = target === undefined ? undefined : asked(signal => nodeOf(target, survey, signal));
  const node = named?.then(found => askNode(found, survey, asked));
  const gpuNodes =
    target === undefined
      ? asked(async signal => (await survey.cluster.listNodes('', signal)).filter(hasGpus))
      : undefined;
  const runs = Promise.all([node, gpuNodes, user]).then(([seen, gpus, who]) => {
    const machine = answered(seen?.machine) ?? answered(gpus)?.find(one => !unusableNode(one));
    return dryRuns({ examination, survey, machine, user: answered(who) }, asked);
  });
  const [rights, labels, quotas, limitRanges, webSocket, answers] = await Promise.all([
    askRights(survey, asked),
    asked(signal => survey.namespaceLabels(signal)),
    asked(signal => survey.quotas(signal)),
    asked(signal => survey.limitRanges(signal)),
    plan.transport === 'kubectl'
      ? notAsked('kubectl attaches')
      : asked(signal => survey.webSocket(signal)),
    // Whatever ends one of them ends all: none is left alone with its failure.
    Promise.all([user, named, node, gpuNodes, runs]),
  ]);
  const [who, found, seen, gpus, tried] = answers;
  return {
    ...{ rights, labels, quotas, limitRanges, webSocket, ...tried },
    ...{ user: who, node: seen, gpuNodes: gpus },
    plan: { ...plan, node: answered(found) ?? target },
  };
}

/** What is known where nothing was asked, and why it was not. */
function unaskedFacts(examination: Examination, plan: Plan, why: string): Answers {
  const none = notAsked(why);
  const isNode = plan.node !== undefined;
  return {
    ...{ plan, login: none, version: none, user: none, aheadMs: undefined },
    rights: RIGHTS.map(right => ({ right, may: none })),
    ...{ labels: none, quotas: none, limitRanges: none, webSocket: none },
    pod: podOf({ examination, namespace: '', machine: undefined, user: undefined }),
    ...{
      carried: none,
      podRun: none,
      jobRun: examination.plan.lifetime === 'pod' ? undefined : none,
    },
    node: isNode
      ? { machine: none, lease: none, pods: none, podsOfNamespace: undefined }
      : undefined,
    gpuNodes: isNode ? undefined : none,
  };
}

function connectionOf({ settings }: Survey): Connection {
  const { userEntry, impersonation, proxyUrl, insecure } = settings;
  const { files, context, server, namespace, user } = settings;
  const as = [impersonation['Impersonate-User'] ?? []].flat()[0];
  return {
    ...{ files, context, server, namespace, user, as, insecure },
    proxy: proxyUrl,
    credentials: sourceOf(userEntry),
  };
}

function sourceOf(user: Readonly<Record<string, unknown>>): string {
  const { exec } = user;
  if (typeof exec === 'object' && exec !== null) {
    const command = 'command' in exec && typeof exec.command === 'string' ? exec.command : '';
    return `credential plugin "${command.split('/').at(-1)}"`;
  }
  const isSet = (key: string) => typeof user[key] === 'string' && user[key] !== '';
  if (typeof user['auth-provider'] === 'object') return 'the auth-provider of the kubeconfig';
  if (isSet('tokenFile')) return 'a token file';
  if (isSet('token')) return 'a token';
  if (isSet('username')) return 'user name and password';
  return isSet('client-certificate') || isSet('client-certificate-data')
    ? 'a client certificate'
    : 'no credentials';
}

const NODES_TOLD_MAX = 6;

/** The one node that a target names. @throws UsageError where there are several */
async function nodeOf(target: string, survey: Survey, signal: AbortSignal): Promise<string> {
  const nodes = await survey.cluster.resolveTarget(target, signal);
  const [first, ...more] = [...new Set(nodes.map(({ node }) => node))];
  if (first === undefined) throw new UsageError(`${plainText(target, 80)} runs on no node`);
  if (more.length === 0) return first;
  throw new UsageError(
    `${plainText(target, 80)} runs on ${more.length + 1} nodes: ${[first, ...more].slice(0, NODES_TOLD_MAX).join(', ')}`,
    shell`one at a time: kubectl gpu-mcp doctor ${first}`,
  );
}

type Examiner = <T>(question: (signal: AbortSignal) => Promise<T>) => Promise<Found<T>>;

async function askNode(found: Found<string>, survey: Survey, asked: Examiner): Promise<NodeFacts> {
  if (!found.ok) {
    if (found.error.exit === 2) throw found.error;
    const none = notAsked('no node was found');
    return { machine: found, lease: none, pods: none, podsOfNamespace: undefined };
  }
  const node = found.value;
  const [machine, lease, pods] = await Promise.all([
    asked(async signal => {
      try {
        return await survey.machine(node, signal);
      } catch (error) {
        // Of a node that is not there the other way to ask names those like it.
        if (error instanceof ApiError && error.code === 404)
          await survey.cluster.getNode(node, signal);
        throw error;
      }
    }),
    asked(signal => survey.cluster.lease(node, signal)),
    asked(signal => survey.podsOn(node, null, signal)),
  ]);
  const isDenied = !pods.ok && isMissingRight(pods.error);
  const { namespace } = survey.settings;
  const podsOfNamespace = isDenied
    ? await asked(signal => survey.podsOn(node, namespace, signal))
    : undefined;
  return { machine, lease, pods, podsOfNamespace };
}

/** One review a right, a few at a time. */
async function askRights(survey: Survey, asked: Examiner): Promise<Facts['rights']> {
  const { namespace } = survey.settings;
  const waiting = [...RIGHTS.entries()];
  const answers: Facts['rights'][number][] = [];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, right] = next;
      const where = right.scope === 'namespace' ? namespace : null;
      const may = await asked(signal => survey.mayI({ ...right, namespace: where }, signal));
      answers[index] = { right, may };
    }
  };
  await Promise.all(Array.from({ length: DOCTOR_RIGHTS_AT_ONCE }, lane));
  return answers;
}

interface Planned {
  readonly examination: Examination;
  readonly machine: NodeState | undefined;
  readonly user: string | undefined;
}

/** In the place of a node where none can be read. */
const STAND_IN = { name: 'any-node', osImage: '', labels: {}, kubeletVersion: '' };

const STAND_IN_IMAGE = 'image-of-the-node:any';

function podOf({
  examination,
  namespace,
  machine = undefined,
  user,
}: Planned & { readonly namespace: string }): PodOptions {
  const node = machine ?? { ...STAND_IN, name: examination.target ?? STAND_IN.name };
  const session = 'doctor';
  return {
    ...examination.pod,
    // Of --no-image the node says which; where it does not, one stands in.
    image: examination.pod.image || STAND_IN_IMAGE,
    ...{ name: podName(node.name, session), namespace, node, session, user },
    nowMs: examination.clock.nowMs(),
  };
}

/** The very objects that a session would create, up to the writing. */
async function dryRuns(planned: Planned & { readonly survey: Survey }, asked: Examiner) {
  const { survey, examination } = planned;
  const { machine } = planned;
  const carried = await asked(async () =>
    machine ? withCarriedAgent(examination.pod, machine, () => {}) : examination.pod,
  );
  const chosen = await asked(signal =>
    withRuntimeClass(answered(carried) ?? examination.pod, survey.cluster, signal, () => {}),
  );
  const { namespace } = survey.settings;
  const stand = podOf({ ...planned, namespace });
  const pod = { ...stand, ...answered(chosen), image: answered(chosen)?.image || stand.image };
  const [podRun, jobRun] = await Promise.all([
    asked(signal => survey.dryRun('pod', podSpec(pod), signal)),
    examination.plan.lifetime === 'pod'
      ? undefined
      : asked(signal => survey.dryRun('job', jobSpec(pod), signal)),
  ]);
  return { pod, carried, podRun, jobRun };
}

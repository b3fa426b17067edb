import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, ObjectName, PodState } from '../cluster/port.ts';
import { SessionError } from '../contract/errors.ts';
import { CONTAINER } from '../contract/labels.ts';
import { plainText } from '../contract/untrusted.ts';
import { hostMounts } from './host-mounts.ts';
import { type PodOptions, SESSION_LABEL } from './pod-spec.ts';
import { readEventSign, readPodSign, type Sign } from './start-signs.ts';

/** The pod of this session, once its container runs. */
export interface RunningPod extends ObjectName {
  readonly uid: string;
}

/** The pod mounts a directory that the node does not have. */
export class LackingMount extends SessionError {
  readonly path: string;

  constructor(path: string) {
    super(`the node has no directory ${path}`);
    this.path = path;
  }
}

export interface Wait extends AsyncDisposable {
  /** Rejects with a SessionError that says why it never ran. */
  readonly pod: Promise<RunningPod>;
  /** The pod, if one was seen at all. */
  seen(): RunningPod | undefined;
}

/** A pod that starts well needs no events; only then do we ask for them. */
const EVENTS_AFTER_MS = 600;
const LOG_LINES_MAX = 10;

export interface WaitOptions {
  readonly cluster: Cluster;
  readonly pod: PodOptions;
  readonly onProgress: (message: string) => void;
  /** Aborts when the start has taken too long. */
  readonly over: AbortSignal;
  readonly startMsMax: number;
}

/**
 * Watches the session's pod from now on, created or not, until its container runs or something
 * says that it never will: its status, its events or the Job's, or the time.
 */
export function waitUntilRunning(options: WaitOptions, signal: AbortSignal): Wait {
  const { cluster, pod, onProgress } = options;
  const stop = new AbortController();
  const until = AbortSignal.any([signal, stop.signal]);
  let last: PodState | undefined;
  let lastWords = '';
  let pullsFailed = 0;
  const said = new Set<string>();
  const say = (text: string) => {
    lastWords = text;
    if (!said.has(text)) onProgress(text);
    said.add(text);
  };
  let resolve: (pod: RunningPod) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const decided = new Promise<RunningPod>((...both) => {
    [resolve, reject] = both;
  });

  const judge = async (sign: Sign): Promise<void> => {
    switch (sign.kind) {
      case 'running':
        if (last) resolve(nameOf(last));
        return;
      case 'waiting':
        if (sign.say) say(sign.say);
        return;
      case 'lacking':
        reject(new LackingMount(sign.path));
        return;
      case 'failed': {
        const log = sign.ran && last ? await lastLines(cluster, last, until) : '';
        reject(new SessionError(`${sign.sentence}${log}`, { hint: sign.hint }));
      }
    }
  };
  const watchPod = async () => {
    const query = {
      namespace: pod.namespace,
      labelSelector: `${SESSION_LABEL}=${pod.session}`,
    };
    for await (const change of cluster.watchPods(query, until)) {
      last = change.pod;
      const gone = change.type === 'deleted';
      await judge(readPodSign(gone ? { ...last, deleting: true } : last, pullsFailed));
      if (last.containers.some(({ reason }) => reason === 'ImagePullBackOff')) pullsFailed += 1;
    }
  };
  const watchEvents = async (name: string) => {
    const paths = hostMounts(pod.node, pod.lackingMounts ?? []).map(({ path }) => path);
    for await (const event of cluster.watchEvents({ namespace: pod.namespace, name }, until)) {
      await judge(readEventSign(event, paths));
    }
  };
  const watchAllEvents = async () => {
    await sleep(EVENTS_AFTER_MS, undefined, { signal: until });
    // The Job and a bare pod bear the same name; the Job's pod has one of its own.
    const tasks = [watchEvents(pod.name)];
    while (!last && !until.aborted) await sleep(100, undefined, { signal: until });
    if (last && last.name !== pod.name) tasks.push(watchEvents(last.name));
    await Promise.all(tasks);
  };
  const podTask = watchPod().catch(error => reject(error));
  // Events only explain: without the right to read them the status still decides.
  const eventTask = watchAllEvents().catch(() => undefined);
  signal.addEventListener('abort', () =>
    reject(options.over.aborted ? tooLong(options, last, lastWords) : signal.reason),
  );
  // Whoever created nothing never asks for the outcome.
  decided.catch(() => undefined);
  return {
    pod: decided,
    seen: () => last && nameOf(last),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await Promise.all([podTask, eventTask]);
    },
  };
}

const nameOf = ({ namespace, name, uid }: PodState): RunningPod => ({ namespace, name, uid });

async function lastLines(cluster: Cluster, pod: PodState, signal: AbortSignal): Promise<string> {
  const options = { container: CONTAINER, linesMax: LOG_LINES_MAX };
  const log = await cluster.podLog(pod, options, signal).catch(() => '');
  const words = plainText(log, 800);
  return words ? `; its log ends with: ${words}` : '';
}

function tooLong(options: WaitOptions, last: PodState | undefined, words: string): SessionError {
  const { name, namespace, node } = options.pod;
  const seconds = Math.round(options.startMsMax / 1_000);
  const state = last
    ? `it is ${last.containers[0]?.reason || last.phase || 'Pending'}`
    : 'no pod was made';
  return new SessionError(
    `the pod for node "${node.name}" did not run within ${seconds} s: ${state}${words ? `; last: ${words}` : ''}`,
    {
      hint: last
        ? `kubectl describe pod ${last.name} -n ${namespace} while it starts; is the node's kubelet healthy?`
        : `does the cluster's Job controller work? kubectl describe job ${name} -n ${namespace}; or --lifetime pod`,
    },
  );
}

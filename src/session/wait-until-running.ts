import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, ObjectName, PodQuery, PodState } from '../cluster/port.ts';
import { inFull, SessionError, type Shown } from '../contract/errors.ts';
import { CONTAINER } from '../contract/labels.ts';
import {
  JOB_POD_MS_MAX,
  KUBELET_LOOK_MS,
  POD_LOOK_AGAIN_MS,
  POD_LOOK_MS,
} from '../contract/limits.ts';
import { shell } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import { SilentNode } from './link.ts';
import { mountsOf, type PodOptions, SESSION_LABEL } from './pod-spec.ts';
import { whoIsSilent } from './silence.ts';
import { readEventSign, readPodSign, type Sign } from './start-signs.ts';

/** The pod of this session, once its container runs. */
export interface RunningPod extends ObjectName {
  readonly uid: string;
  /** Containers of it that are not ours: something put them in. */
  readonly others: readonly string[];
}

/** The pod mounts a directory that the node does not have. */
export class LackingMount extends SessionError {
  readonly path: string;

  constructor(path: string) {
    super(`the node has no directory ${path}`);
    this.path = path;
  }
}

/** The Job has made no pod: its controller has not heard of it yet, or hears nothing. */
export class NoPodOfJob extends SessionError {}

export interface Wait extends AsyncDisposable {
  /** Rejects with a SessionError that says why it never ran. */
  readonly pod: Promise<RunningPod>;
  /** @throws NoPodOfJob where no pod is seen within JOB_POD_MS_MAX from now. */
  podOfJob(): Promise<RunningPod>;
  /** The pod, if one was seen at all. */
  seen(): Omit<RunningPod, 'others'> | undefined;
}

/** Of what a program has written: enough to know it by. */
export const LOG_LINES_MAX = 10;

export interface WaitOptions {
  readonly cluster: Cluster;
  readonly pod: PodOptions;
  readonly onProgress: (message: string) => void;
  /** Aborts when the start has taken too long. */
  readonly over: AbortSignal;
  readonly startMsMax: number;
  /** A pod that runs by then needs no events. */
  readonly eventsAfterMs: number;
  /** What may be said of a text of others: a kubelet's, an admission rule's. */
  readonly foreign?: Shown | undefined;
}

/**
 * Watches the session's pod from now on, created or not, until its container runs or something
 * says that it never will: its status, its events or the Job's, or the time.
 */
export function waitUntilRunning(options: WaitOptions, signal: AbortSignal): Wait {
  return new PodWait(options, signal);
}

class PodWait implements Wait {
  readonly pod: Promise<RunningPod>;
  readonly #options: WaitOptions;
  readonly #stop = new AbortController();
  /** Ends every watch: the caller's signal, or ours when the wait is over. */
  readonly #until: AbortSignal;
  readonly #tasks: readonly Promise<unknown>[];
  readonly #said = new Set<string>();
  #resolve: (pod: RunningPod) => void = () => {};
  #reject: (reason: unknown) => void = () => {};
  #last: PodState | undefined;
  #lastWords = '';
  #pullsFailed = 0;

  constructor(options: WaitOptions, signal: AbortSignal) {
    this.#options = options;
    this.#until = AbortSignal.any([signal, this.#stop.signal]);
    this.pod = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever created nothing never asks for the outcome.
    this.pod.catch(() => undefined);
    signal.addEventListener('abort', () =>
      this.#reject(options.over.aborted ? this.#tooLong() : signal.reason),
    );
    this.#tasks = [
      this.#watchPod().catch(this.#reject),
      this.#lookAgain().catch(() => undefined),
      // Events only explain: without the right to read them the status still decides.
      this.#watchAllEvents().catch(() => undefined),
      this.#watchKubelet().catch(() => undefined),
    ];
  }

  seen(): Omit<RunningPod, 'others'> | undefined {
    return this.#last && nameOf(this.#last);
  }

  async podOfJob(): Promise<RunningPod> {
    const late = AbortSignal.timeout(JOB_POD_MS_MAX);
    late.addEventListener('abort', async () => {
      if (!this.#last) await this.#look();
      if (this.#last) return;
      const { namespace, name } = this.#options.pod;
      const seconds = JOB_POD_MS_MAX / 1_000;
      this.#reject(new NoPodOfJob(`job ${namespace}/${name} has made no pod in ${seconds} s`));
    });
    return this.pod;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#tasks);
  }

  async #watchPod(): Promise<void> {
    for await (const { type, pod } of this.#options.cluster.watchPods(this.#pods, this.#until)) {
      await this.#hear(type === 'deleted' ? { ...pod, deleting: true } : pod);
    }
  }

  async #lookAgain(): Promise<void> {
    for (;;) {
      await once(AbortSignal.timeout(POD_LOOK_AGAIN_MS), 'abort', { signal: this.#until });
      await this.#look();
    }
  }

  /** What a watch that fell silent did not tell. A failure is the watch's to bear. */
  async #look(): Promise<void> {
    const within = AbortSignal.any([this.#until, AbortSignal.timeout(POD_LOOK_AGAIN_MS)]);
    const before = this.#last;
    try {
      const [found] = await this.#options.cluster.listPods(this.#pods, within);
      if (found) await this.#hear(found);
      else if (before) await this.#hear({ ...before, deleting: true });
    } catch {}
  }

  get #shown(): Shown {
    return this.#options.foreign ?? inFull;
  }

  get #pods(): PodQuery {
    const { namespace, session } = this.#options.pod;
    return { namespace, labelSelector: `${SESSION_LABEL}=${session}` };
  }

  async #hear(pod: PodState): Promise<void> {
    this.#last = pod;
    const isCarried = this.#options.pod.carried !== undefined;
    await this.#judge(readPodSign(pod, this.#pullsFailed, { isCarried, shown: this.#shown }));
    if (pod.containers.some(({ reason }) => reason === 'ImagePullBackOff')) this.#pullsFailed += 1;
  }

  async #watchAllEvents(): Promise<void> {
    const { name } = this.#options.pod;
    const late = AbortSignal.timeout(this.#options.eventsAfterMs);
    await once(late, 'abort', { signal: this.#until });
    // The Job and a bare pod bear the same name; the Job's pod has one of its own.
    await Promise.all([this.#watchEvents(name), this.#watchEventsOfPod(name)]);
  }

  async #watchEventsOfPod(jobName: string): Promise<void> {
    while (!this.#last) await sleep(POD_LOOK_MS, undefined, { signal: this.#until });
    if (this.#last.name !== jobName) await this.#watchEvents(this.#last.name);
  }

  /** A kubelet takes note of its pod within a second or two; one that is dead never says so. */
  async #watchKubelet(): Promise<void> {
    const { cluster, pod } = this.#options;
    while (!this.#isNoticed) {
      await once(AbortSignal.timeout(KUBELET_LOOK_MS), 'abort', { signal: this.#until });
      if (!this.#last || this.#isNoticed) continue;
      const silence = await whoIsSilent(cluster, pod.node.name, this.#until, this.#shown);
      // An API server that is away for a moment is the watch's to bear.
      if (!silence || silence.who === 'link') continue;
      const { namespace, name } = this.#last;
      this.#reject(
        new SilentNode(`${silence.sentence}; pod ${namespace}/${name} does not start there`, {
          hint: silence.hint,
        }),
      );
      return;
    }
  }

  /** Whether a kubelet has taken note of the pod. */
  get #isNoticed(): boolean {
    const last = this.#last;
    return last !== undefined && (last.containers.length > 0 || last.startedAt !== '');
  }

  async #watchEvents(name: string): Promise<void> {
    const { cluster, pod } = this.#options;
    const paths = mountsOf(pod).map(({ path }) => path);
    const about = { namespace: pod.namespace, name };
    for await (const event of cluster.watchEvents(about, this.#until)) {
      await this.#judge(readEventSign(event, paths, this.#shown));
    }
  }

  async #judge(sign: Sign): Promise<void> {
    switch (sign.kind) {
      case 'running':
        if (this.#last) this.#resolve({ ...nameOf(this.#last), others: othersIn(this.#last) });
        return;
      case 'waiting':
        if (sign.say) this.#say(sign.say);
        return;
      case 'lacking':
        this.#reject(new LackingMount(sign.path));
        return;
      case 'failed': {
        const log = sign.ran && this.#last ? await this.#lastLines(this.#last) : '';
        this.#reject(new SessionError(`${sign.sentence}${log}`, { hint: sign.hint }));
      }
    }
  }

  #say(text: string): void {
    this.#lastWords = text;
    if (!this.#said.has(text)) this.#options.onProgress(text);
    this.#said.add(text);
  }

  async #lastLines(pod: PodState): Promise<string> {
    const options = { container: CONTAINER, linesMax: LOG_LINES_MAX };
    const log = await this.#options.cluster.podLog(pod, options, this.#until).catch(() => '');
    const words = plainText(this.#shown(log), 800);
    return words ? `; its log ends with: ${words}` : '';
  }

  #tooLong(): SessionError {
    const { pod, startMsMax } = this.#options;
    const last = this.#last;
    const state = last
      ? `it is ${last.containers[0]?.reason || last.phase || 'Pending'}`
      : 'no pod was made';
    const words = this.#lastWords ? `; last: ${this.#lastWords}` : '';
    return new SessionError(
      `the pod for node "${pod.node.name}" did not run within ${Math.round(startMsMax / 1_000)} s: ${state}${words}`,
      {
        hint: last
          ? shell`kubectl describe pod ${last.name} -n ${pod.namespace} while it starts; is the node's kubelet healthy?`
          : `does the cluster's Job controller work? kubectl describe job ${pod.name} -n ${pod.namespace}; or --lifetime pod`,
      },
    );
  }
}

const nameOf = ({ namespace, name, uid }: PodState) => ({ namespace, name, uid });

const othersIn = ({ containers }: PodState) =>
  containers.map(({ name }) => plainText(name, 63)).filter(name => name !== CONTAINER);

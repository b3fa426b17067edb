import { AGENT_ENVIRONMENT } from '../../src/contract/labels.ts';
import { asJson, type Json, matches } from '../cluster/fake-objects.ts';
import { SimulatedAgent } from './agent.ts';
import type { VirtualTime } from './virtual-time.ts';

/** How this cluster behaves; milliseconds. */
export interface ClusterTraits {
  readonly jobControllerMs: number;
  readonly containerStartMs: number;
  readonly collectorMs: number;
  readonly statusMs: number;
  /** Something holds every Job back. */
  readonly suspendsJobs: boolean;
  /** The pod's image cannot be pulled. */
  readonly imageFails: boolean;
  /** The node lacks this directory. */
  readonly lacks: string | undefined;
  /** Before 1.36: its API server says that an attach is open before it has asked the kubelet. */
  readonly isOlder?: boolean;
}

/** From the report that a pod's containers have ended until its kubelet removes it. */
const KUBELET_REMOVES_MS = 1_000;

type Watcher = (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: Json) => void;

export const metadataOf = (object: Json): Json => asJson(object['metadata']);
const keyOf = (resource: string, { namespace, name }: Json) =>
  `${resource}/${namespace ?? ''}/${name}`;

/**
 * A cluster as data: objects, watches, and what the controllers and one kubelet do with Jobs and
 * pods. Its clock is the virtual time, which is the true one.
 */
export class SimulatedKubernetes {
  readonly time: VirtualTime;
  readonly traits: ClusterTraits;
  readonly say: (what: string) => void;
  readonly answerOf: (tool: string, input: Json) => Json | undefined;
  readonly agents = new Map<string, SimulatedAgent>();
  /** The kubelet does nothing: no container starts or ends, no status is told. */
  #isFrozen = false;
  readonly #frozen: (() => void)[] = [];
  #areAgentsHung = false;
  readonly #objects = new Map<string, Json>();
  /** Pods that were removed while their agent ran. */
  readonly orphaned: string[] = [];
  readonly #watchers = new Map<
    Watcher,
    { resource: string; namespace: string; query: URLSearchParams }
  >();
  #version = 1;
  /** When each pod was created and when it went, by uid: for the judge. */
  readonly history = new Map<string, { readonly name: string; fromMs: number; goneMs: number }>();

  constructor(
    time: VirtualTime,
    traits: ClusterTraits,
    answerOf: (tool: string, input: Json) => Json | undefined,
    say: (what: string) => void,
  ) {
    this.time = time;
    this.traits = traits;
    this.answerOf = answerOf;
    this.say = say;
  }

  get(resource: string, namespace: string, name: string): Json | undefined {
    return this.#objects.get(keyOf(resource, { namespace, name }));
  }

  list(resource: string): readonly Json[] {
    return [...this.#objects]
      .filter(([key]) => key.startsWith(`${resource}/`))
      .map(([, object]) => object);
  }

  put(resource: string, object: Json): Json {
    const metadata = { ...metadataOf(object) };
    metadata['uid'] ??= `uid-${this.#version}`;
    metadata['creationTimestamp'] ??= new Date(this.time.nowMs).toISOString();
    metadata['resourceVersion'] = String(this.#version++);
    const stored = { ...object, metadata };
    const key = keyOf(resource, metadata);
    const isNew = !this.#objects.has(key);
    this.#objects.set(key, stored);
    if (isNew && resource !== 'events' && resource !== 'nodes') {
      const name = `${resource}/${metadata['name']}`;
      this.history.set(String(metadata['uid']), {
        name,
        fromMs: this.time.nowMs,
        goneMs: Infinity,
      });
      this.say(`${name} is created`);
    }
    this.#tell(resource, isNew ? 'ADDED' : 'MODIFIED', stored);
    return stored;
  }

  remove(resource: string, object: Json): void {
    const key = keyOf(resource, metadataOf(object));
    const found = this.#objects.get(key);
    if (!found || metadataOf(found)['uid'] !== metadataOf(object)['uid']) return;
    this.#objects.delete(key);
    const record = this.history.get(String(metadataOf(found)['uid']));
    if (record) record.goneMs = this.time.nowMs;
    this.say(`${resource}/${metadataOf(found)['name']} is gone`);
    this.#tell(resource, 'DELETED', found);
  }

  watch(about: { resource: string; namespace: string; query: URLSearchParams }, watcher: Watcher) {
    for (const object of this.list(about.resource)) {
      if (matches(object, about.namespace, about.query)) watcher('ADDED', object);
    }
    this.#watchers.set(watcher, about);
    return () => this.#watchers.delete(watcher);
  }

  #tell(resource: string, type: 'ADDED' | 'MODIFIED' | 'DELETED', object: Json): void {
    for (const [watcher, about] of this.#watchers) {
      if (about.resource === resource && matches(object, about.namespace, about.query)) {
        watcher(type, object);
      }
    }
  }

  /** As POST does, with what follows from it. */
  create(resource: string, given: Json): Json {
    const isHeld = resource === 'jobs' && this.traits.suspendsJobs;
    const spec = { ...asJson(given['spec']), ...(isHeld && { suspend: true }) };
    const stored = this.put(resource, { ...given, spec, status: {} });
    if (resource === 'jobs' && !isHeld) {
      const isEmpty = asJson(spec)['completions'] === 0;
      this.time.after(this.traits.jobControllerMs, () =>
        isEmpty ? this.#complete(stored) : this.#makePod(stored),
      );
    }
    if (resource === 'pods') {
      this.#schedule(stored);
      // The garbage collector takes what names an owner that is not there.
      if (this.#ownerOf(stored) === 'gone') {
        this.time.after(this.traits.collectorMs, () => this.delete('pods', stored));
      }
    }
    return stored;
  }

  /** The Job that a pod names as its owner; undefined of a pod that names none. */
  #ownerOf(pod: Json): Json | 'gone' | undefined {
    const [owner] = [metadataOf(pod)['ownerReferences'] ?? []].flat().map(asJson);
    if (!owner) return undefined;
    const { namespace } = metadataOf(pod);
    const found = this.get('jobs', String(namespace), String(owner['name']));
    return found && metadataOf(found)['uid'] === owner['uid'] ? found : 'gone';
  }

  /** As DELETE does; without a grace it asks no kubelet. */
  delete(resource: string, object: Json, grace?: unknown): void {
    if (resource === 'jobs') {
      this.remove(resource, object);
      const { namespace, name } = metadataOf(object);
      this.time.after(this.traits.collectorMs, () => this.#collect(namespace, name));
      return;
    }
    const { uid, deletionTimestamp } = metadataOf(object);
    const now = this.#current(object);
    if (!now) return;
    if (grace === 0 && this.agents.has(String(uid)))
      this.orphaned.push(String(metadataOf(now)['name']));
    if (grace === 0 || phaseOf(now) === 'Succeeded' || phaseOf(now) === 'Failed') {
      this.remove('pods', now);
      return;
    }
    if (deletionTimestamp === undefined) {
      const stamp = new Date(this.time.nowMs).toISOString();
      this.put('pods', { ...now, metadata: { ...metadataOf(now), deletionTimestamp: stamp } });
    }
    this.#kubelet(this.traits.statusMs, () => {
      this.agents.get(String(uid))?.end(0, 'Completed');
      // It says first that nothing runs any more.
      this.#status(now, { terminated: { exitCode: 0 } }, 'Succeeded');
    });
    this.#kubelet(this.traits.statusMs + KUBELET_REMOVES_MS, () => {
      const last = this.#current(object);
      if (last) this.remove('pods', last);
      this.#endJobOf(object);
    });
  }

  #current(object: Json): Json | undefined {
    const { namespace, name, uid } = metadataOf(object);
    const found = this.get('pods', String(namespace), String(name));
    return found && metadataOf(found)['uid'] === uid ? found : undefined;
  }

  /** What the kubelet does after so long, or when it is there again. */
  #kubelet(ms: number, work: () => void): void {
    this.time.after(ms, () => (this.#isFrozen ? void this.#frozen.push(work) : work()));
  }

  freeze(): void {
    this.#isFrozen = true;
    for (const agent of this.agents.values()) agent.freeze();
  }

  thaw(): void {
    this.#isFrozen = false;
    this.#areAgentsHung = false;
    for (const agent of this.agents.values()) agent.thaw();
    for (const work of this.#frozen.splice(0)) work();
  }

  hangAgents(): void {
    this.#areAgentsHung = true;
    for (const agent of this.agents.values()) agent.freeze();
  }

  #makePod(job: Json): void {
    const { namespace, name, uid } = metadataOf(job);
    const found = this.get('jobs', String(namespace), String(name));
    if (!found || metadataOf(found)['uid'] !== uid) return;
    const template = asJson(asJson(job['spec'])['template']);
    const pod = this.put('pods', {
      metadata: {
        ...metadataOf(template),
        namespace,
        name: `${name}-abcde`,
        ownerReferences: [{ kind: 'Job', name, uid }],
      },
      spec: template['spec'],
      status: { phase: 'Pending' },
    });
    this.#schedule(pod);
  }

  #schedule(pod: Json): void {
    const { lacks, imageFails, containerStartMs } = this.traits;
    const { activeDeadlineSeconds } = asJson(pod['spec']);
    if (activeDeadlineSeconds !== undefined) {
      this.#kubelet(Number(activeDeadlineSeconds) * 1_000, () => this.#endByDeadline(pod));
    }
    this.#kubelet(containerStartMs / 4, () =>
      this.#status(pod, { waiting: { reason: 'ContainerCreating' } }),
    );
    this.#kubelet(containerStartMs, () => {
      if (!this.#current(pod)) return;
      const mounts = JSON.stringify(asJson(pod['spec'])['volumes'] ?? []);
      if (lacks !== undefined && mounts.includes(`"${lacks}"`)) {
        const { namespace, name } = metadataOf(pod);
        this.put('events', {
          metadata: { namespace, name: `${name}.1` },
          involvedObject: { name, kind: 'Pod' },
          reason: 'FailedMount',
          message: `MountVolume.SetUp failed: hostPath type check failed: ${lacks} is not a directory`,
        });
        return;
      }
      if (imageFails) {
        const message = 'failed to pull: manifest unknown';
        this.#status(pod, { waiting: { reason: 'ErrImagePull', message } });
        return;
      }
      this.#run(pod);
    });
  }

  #endByDeadline(pod: Json): void {
    const now = this.#current(pod);
    if (!now || phaseOf(now) === 'Succeeded' || phaseOf(now) === 'Failed') return;
    this.say(`the time of ${metadataOf(pod)['name']} is over`);
    this.agents.get(String(metadataOf(pod)['uid']))?.end(137, 'Error');
    const terminated = { exitCode: 137, reason: 'Error' };
    this.#finish(pod, terminated, { phase: 'Failed', reason: 'DeadlineExceeded' });
  }

  #run(pod: Json): void {
    const [container] = [asJson(pod['spec'])['containers']].flat().map(asJson);
    const leavesRow = JSON.stringify(container?.['env']).includes(AGENT_ENVIRONMENT.rowTo);
    const agent = new SimulatedAgent(this.time, this.answerOf, this.say, { leavesRow });
    const uid = String(metadataOf(pod)['uid']);
    this.agents.set(uid, agent);
    if (this.#isFrozen || this.#areAgentsHung) agent.freeze();
    agent.onEnd = (exitCode, reason, message) => {
      this.say(`the agent of ${metadataOf(pod)['name']} ends: ${reason}, ${exitCode}`);
      this.agents.delete(uid);
      this.#kubelet(this.traits.statusMs, () => this.#finish(pod, { exitCode, reason, message }));
    };
    this.#status(pod, { running: {} }, 'Running');
  }

  #status(pod: Json, state: Json, phase = 'Pending', more: Json = {}): void {
    const now = this.#current(pod);
    if (!now || phaseOf(now) === 'Failed' || phaseOf(now) === 'Succeeded') return;
    const containerStatuses = [{ name: 'mcp', image: 'example/gpu-mcp:1', state }];
    this.put('pods', { ...now, status: { phase, containerStatuses, ...more } });
  }

  #finish(
    pod: Json,
    terminated: { exitCode: number; reason: string; message?: string },
    more: Json = {},
  ): void {
    this.#status(pod, { terminated }, terminated.exitCode === 0 ? 'Succeeded' : 'Failed', more);
    const now = this.#current(pod);
    if (now && metadataOf(now)['deletionTimestamp'] !== undefined) {
      this.#kubelet(KUBELET_REMOVES_MS, () => this.remove('pods', now));
    }
    this.#endJobOf(pod);
  }

  /** One try, whatever became of it. */
  #endJobOf(pod: Json): void {
    const owner = this.#ownerOf(pod);
    if (owner === undefined || owner === 'gone') return;
    this.time.after(this.traits.jobControllerMs, () => this.#complete(owner));
  }

  /** Then its time to live begins. */
  #complete(job: Json): void {
    const { namespace, name, uid } = metadataOf(job);
    const current = () => {
      const found = this.get('jobs', String(namespace), String(name));
      return found && metadataOf(found)['uid'] === uid ? found : undefined;
    };
    const found = current();
    if (!found || JSON.stringify(found['status']).includes('Complete')) return;
    const conditions = [{ type: 'Complete', status: 'True' }];
    this.put('jobs', { ...found, status: { conditions } });
    const seconds = Number(asJson(found['spec'])['ttlSecondsAfterFinished'] ?? Infinity);
    this.time.after(seconds * 1_000, () => {
      const last = current();
      if (last) this.delete('jobs', last);
    });
  }

  #collect(namespace: unknown, job: unknown): void {
    for (const pod of this.list('pods')) {
      const owners = [metadataOf(pod)['ownerReferences']].flat().map(asJson);
      const isTheirs = owners.some(({ name }) => name === job);
      if (isTheirs && metadataOf(pod)['namespace'] === namespace) this.delete('pods', pod);
    }
  }

  /** The kubelet ends every pod that runs: the node is short of something. */
  evict(): void {
    for (const pod of this.list('pods')) {
      if (phaseOf(pod) !== 'Running') continue;
      const agent = this.agents.get(String(metadataOf(pod)['uid']));
      this.#kubelet(0, () => {
        const message = 'The node was low on resource: memory.';
        const terminated = { exitCode: 137, reason: 'Error' };
        this.#finish(pod, terminated, { phase: 'Failed', reason: 'Evicted', message });
        agent?.end(137, 'Error');
      });
    }
  }
}

export const phaseOf = (pod: Json): unknown => asJson(pod['status'])['phase'];

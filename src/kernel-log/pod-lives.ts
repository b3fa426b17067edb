import type { ContainerLife } from '../contract/container-life.ts';
import { type PodLine, type PodNames, parsePodLine } from './pod-lines.ts';

/** Containers kept at most, the newest first; a node runs some hundreds at a time. */
const CONTAINERS_MAX = 8_192;

type Found = { -readonly [Key in keyof ContainerLife]: ContainerLife[Key] } & { sandbox?: string };

/** Puts lines of the kubelet and the runtime, in any order, together to the lives of containers. */
export function createPodLives() {
  const sandboxes = new Map<string, PodNames>();
  const found = new Map<string, Found>();
  const of = (id: string): Found => {
    const known = found.get(id) ?? { containerId: id, source: 'service_log' };
    // The map's order is that of the last word on each container.
    found.delete(id);
    found.set(id, known);
    dropOldest(found);
    return known;
  };
  const take = (line: PodLine, timeMs: number) => {
    if (line.kind === 'sandbox') {
      sandboxes.set(line.id, line.pod);
      dropOldest(sandboxes);
      return;
    }
    const life = of(line.id);
    if (line.kind === 'created') {
      life.sandbox = line.sandbox;
      life.container = line.container;
      return;
    }
    name(life, line.pod);
    if (line.container !== undefined) life.container = line.container;
    if (line.pid !== undefined) life.pid = line.pid;
    if (line.kind === 'started') {
      life.startedMs = Math.min(life.startedMs ?? timeMs, timeMs);
      return;
    }
    // The runtime sees the end first; the kubelet notices it up to a second later.
    const endedMs = line.timeMs ?? timeMs;
    life.endedMs = Math.min(life.endedMs ?? endedMs, endedMs);
    if (line.exitCode !== undefined) life.exitCode = line.exitCode;
  };
  return {
    /** Whether the line told of a container. */
    see(text: string, timeMs: number): boolean {
      const line = parsePodLine(text);
      if (line) take(line, timeMs);
      return line !== undefined;
    },
    lives: (): readonly ContainerLife[] =>
      [...found]
        // The kubelet tells of a pod's sandbox as of a container; nothing of the user runs in it.
        .filter(([id]) => !sandboxes.has(id))
        .map(([, { sandbox, ...life }]) => {
          name(life, sandboxes.get(sandbox ?? ''));
          return life;
        })
        .filter(({ pod, podUid }) => pod !== undefined || podUid !== undefined),
  };
}

function name(life: Found, { uid, namespace, pod }: PodNames = {}): void {
  if (uid !== undefined) life.podUid = uid;
  if (namespace !== undefined) life.namespace = namespace;
  if (pod !== undefined) life.pod = pod;
}

function dropOldest(map: Map<string, unknown>): void {
  if (map.size <= CONTAINERS_MAX) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

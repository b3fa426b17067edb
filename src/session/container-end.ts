import { setTimeout as sleep } from 'node:timers/promises';
import type { TargetPod } from '../cluster/port.ts';
import {
  AGENT_FIRST_BYTE_MS_MAX,
  AGENT_IDLE_MS_MAX,
  CONTAINER_END_MS_MAX,
  POD_END_MS_MAX,
  POD_LOOK_MS,
} from '../contract/limits.ts';
import type { Held } from './holding.ts';
import { ENTRY_STAYS, hold, lookAt, type Own, ownIn, titleOf, whereOf } from './own-container.ts';

const UNHEARD = `it ends by itself within ${AGENT_FIRST_BYTE_MS_MAX / 1_000} s of its start, for nobody speaks to it`;
export const ENDS_ITSELF = `its kubelet may still start it: ${UNHEARD}`;
const BY_SILENCE = `it ends by itself within ${AGENT_IDLE_MS_MAX / 1_000} s of our last word, or with its pod`;

/** How the container beside it ended, which takes all processes of its PIDs with it; undefined where it did not. */
export function targetEnd(pod: TargetPod, own: Own): string | undefined {
  const all = (of: TargetPod) => [...of.containers, ...of.sidecars];
  const [now, before] = [pod, own.pod].map(of => all(of).find(({ name }) => name === own.target));
  if (!now || (now.state === 'running' && now.id === before?.id)) return undefined;
  const how = now.state === 'running' ? 'was started anew' : 'ended';
  const why = [now.reason, now.exitCode === undefined ? '' : `exit code ${now.exitCode}`];
  const words = why.filter(Boolean).join(', ');
  return `container ${own.target} ${how}${words ? ` (${words})` : ''}, and ours with it: they share its PIDs`;
}

/** What became of it, where its stream ended; undefined where nobody can say. */
export async function fateOf(own: Own): Promise<string | undefined> {
  const signal = AbortSignal.timeout(POD_END_MS_MAX);
  const where = whereOf(own);
  try {
    for (;;) {
      const pod = await lookAt(own, signal);
      if (!pod) return `${where} was deleted, and our container with it`;
      const ended = targetEnd(pod, own);
      if (ended) return `in ${where} ${ended}`;
      if (pod.deleting) return `${where} is being deleted, and our container ended with it`;
      const found = ownIn(pod, own);
      if (found?.state === 'terminated') {
        return `the agent in ${where} ended: ${found.reason || 'unknown'}, exit code ${found.exitCode ?? 'unknown'}`;
      }
      await sleep(POD_LOOK_MS, undefined, { signal });
    }
  } catch {
    // The API server is silent or it still runs: the stream's own words must do.
    return undefined;
  }
}

/** Whether it was seen to have ended, in time: its pod is gone, or its kubelet says so. */
export async function isEnded(own: Own): Promise<boolean> {
  own.hasEnded ||= await endSeen(own);
  own.stream?.destroy();
  return own.hasEnded;
}

async function endSeen(own: Own): Promise<boolean> {
  const signal = AbortSignal.timeout(CONTAINER_END_MS_MAX);
  try {
    for (let isTold = false; ; ) {
      const pod = await lookAt(own, signal);
      const found = pod && ownIn(pod, own);
      // An entry never goes: without one nothing was added.
      if (!pod || ['Succeeded', 'Failed'].includes(pod.phase)) return true;
      if (found ? found.state === 'terminated' : own.late?.aborted !== false) return true;
      // One that nobody holds is taken by its stdin, to end it sooner than it ends by itself.
      if (found?.state === 'running' && !own.stream && !isTold) {
        isTold = true;
        const stream = await hold(own, signal).catch(() => undefined);
        stream?.stdin.end();
      }
      // What cannot be started now is waited for by nobody: its kubelet goes on trying.
      if (found?.state === 'waiting' && !['', 'ContainerCreating'].includes(found.reason))
        return false;
      await sleep(POD_LOOK_MS, undefined, { signal });
    }
  } catch {
    // Not seen in time, or not allowed to look: we do not claim it.
    return false;
  }
}

/** Nothing of it can be removed, by us or by anybody after us. Without a name nothing was made. */
export function heldOf(own: Own): Held & { name: string | null } {
  return {
    name: titleOf(own),
    ...{ stays: ENTRY_STAYS, left: [], remove: async () => false },
    async isGone() {
      const isGone = await isEnded(own);
      // What failed to be added, and nobody has seen there, did not end.
      if (isGone && !own.isThere) this.name = null;
      return isGone;
    },
    get ends() {
      if (own.stream) return BY_SILENCE;
      return own.hasRun ? UNHEARD : ENDS_ITSELF;
    },
    get mayRun() {
      return this.name !== null && !own.hasEnded;
    },
    guard() {},
  };
}

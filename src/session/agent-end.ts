import { setTimeout as sleep } from 'node:timers/promises';
import type { AttachEnd, Cluster, ObjectName } from '../cluster/port.ts';
import { inFull, SessionError, type Shown } from '../contract/errors.ts';
import { AGENT_HELLO, CONTAINER } from '../contract/labels.ts';
import { POD_END_MS_MAX, POD_LOOK_MS } from '../contract/limits.ts';
import { plainText } from '../contract/untrusted.ts';
import type { LinkEnd } from './link.ts';
import { readPodSign } from './start-signs.ts';

/** A container that ran and cannot be attached to has ended meanwhile, and its status says how. */
export async function endedAtOnce(
  cluster: Cluster,
  pod: ObjectName,
  shown = inFull,
): Promise<SessionError | undefined> {
  const signal = AbortSignal.timeout(POD_END_MS_MAX);
  try {
    for (;;) {
      const found = await cluster.getPod(pod, signal);
      const sign = found && readPodSign(found, 0, { shown });
      if (!sign) return undefined;
      if (sign.kind === 'failed') return new SessionError(sign.sentence, { hint: sign.hint });
      await sleep(POD_LOOK_MS, undefined, { signal });
    }
  } catch {
    // Nothing is known of it: the words of the refusal must do.
    return undefined;
  }
}

/** The stream says little: attach reports Success whatever happened. The pod's status says why. */
export async function explainEnd(
  cluster: Cluster,
  pod: ObjectName & { uid: string },
  end: AttachEnd & { readonly hadItsTime: boolean },
  shown = inFull,
): Promise<LinkEnd> {
  const why = await fateOf(cluster, pod, shown);
  const stderr = plainText(shown(end.stderr.replace(AGENT_HELLO, '')), 400);
  const words = [
    why ?? (shown(end.detail) || 'the stream ended'),
    stderr && `its last words: ${stderr}`,
  ];
  return {
    kind: end.kind === 'finished' || why !== undefined ? 'agent_ended' : 'lost',
    detail: words.filter(Boolean).join('; '),
    // A Job that is over is removed at once: its pod may be gone before anybody reads why it ended.
    ...((end.hadItsTime ? /DeadlineExceeded|deleted$/ : /DeadlineExceeded/).test(why ?? '') && {
      isTimeOver: true,
    }),
  };
}

async function fateOf(
  cluster: Cluster,
  pod: ObjectName & { uid: string },
  shown: Shown,
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(POD_END_MS_MAX);
  const name = `pod ${pod.namespace}/${pod.name}`;
  try {
    for (;;) {
      const found = await cluster.getPod(pod, signal);
      if (found?.uid !== pod.uid) return `${name} was deleted`;
      const container = found.containers.find(one => one.name === CONTAINER);
      if (found.phase === 'Failed' && found.reason) {
        return `${name} was ended: ${found.reason}${found.message ? ` (${plainText(shown(found.message), 200)})` : ''}`;
      }
      if (container?.state === 'terminated') {
        return `the agent in ${name} ended: ${container.reason || 'unknown'}, exit code ${container.exitCode ?? 'unknown'}`;
      }
      if (found.deleting) return `${name} is being deleted`;
      await sleep(POD_LOOK_MS, undefined, { signal });
    }
  } catch {
    // The API server is silent or the container still runs: the stream's own words must do.
    return undefined;
  }
}

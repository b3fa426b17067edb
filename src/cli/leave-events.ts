import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { type Cluster, isMissingRight } from '../cluster/port.ts';
import { Verdict } from '../contract/finding.ts';
import { WHO_AM_I_MS_MAX } from '../contract/limits.ts';
import { plainLines, plainText } from '../contract/untrusted.ts';
import { nodeEvent } from '../session/node-event.ts';
import { failureWords, type Outcome } from './ask-nodes.ts';
import type { Invocation } from './command.ts';
import { write } from './io.ts';

const Judged = z.looseObject({ verdict: Verdict });

/**
 * Leaves an event on each node that was judged. One that is refused is a warning and no more: the answer
 * was given before.
 */
export async function leaveEvents(
  { answers }: Pick<Outcome, 'answers'>,
  cluster: Pick<Cluster, 'whoAmI' | 'createEvent'>,
  { io, progress }: Pick<Invocation, 'io' | 'progress'>,
): Promise<void> {
  const within = AbortSignal.any([io.signal, AbortSignal.timeout(WHO_AM_I_MS_MAX)]);
  const user = await cluster.whoAmI(within).catch(() => undefined);
  for (const { target: node, structured } of answers) {
    const judged = Judged.safeParse(structured);
    if (!judged.success) continue;
    const { verdict } = judged.data;
    const suffix = randomBytes(8).toString('hex');
    const event = nodeEvent({ node, verdict, user, nowMs: io.clock.nowMs(), suffix });
    try {
      await cluster.createEvent(event, io.signal);
      progress.say(`event ${event.reason} left on node ${plainText(node)}: ${event.message}`);
    } catch (error) {
      io.signal.throwIfAborted();
      // What is refused of one node is refused of all.
      const isRefused = isMissingRight(error);
      const cure = isRefused ? '; kubectl gpu-mcp manifest rbac --event prints the right' : '';
      const words = `no event was left on node ${node}: ${failureWords(error)}${cure}`;
      await write(io.stderr, `warning: ${plainLines(words)}\n`);
      if (isRefused) return;
    }
  }
}

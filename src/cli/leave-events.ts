import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { type Cluster, isMissingRight } from '../cluster/port.ts';
import { Verdict } from '../contract/finding.ts';
import { NODE_EVENTS_MS_MAX, WHO_AM_I_MS_MAX } from '../contract/limits.ts';
import { type CommandWords, withConnection } from '../contract/printed-command.ts';
import { plainLines, plainText } from '../contract/untrusted.ts';
import { nodeEvent } from '../session/node-event.ts';
import { failureWords, type Outcome } from './ask-nodes.ts';
import type { Invocation } from './command.ts';
import { write } from './io.ts';

const Judged = z.looseObject({ verdict: Verdict });

/**
 * Leaves an event on each node that was judged. One that is refused is a warning and no more: the answer
 * was given before. All of them together may take NODE_EVENTS_MS_MAX.
 */
export async function leaveEvents(
  { answers }: Pick<Outcome, 'answers'>,
  cluster: Pick<Cluster, 'whoAmI' | 'createEvent'>,
  { io, progress }: Pick<Invocation, 'io' | 'progress'>,
  commandWords: CommandWords,
): Promise<void> {
  const within = (ms: number) => AbortSignal.any([io.signal, AbortSignal.timeout(ms)]);
  const user = await cluster.whoAmI(within(WHO_AM_I_MS_MAX)).catch(() => undefined);
  const signal = within(NODE_EVENTS_MS_MAX);
  for (const { target: node, structured } of answers) {
    const judged = Judged.safeParse(structured);
    if (!judged.success) continue;
    const { verdict } = judged.data;
    const suffix = randomBytes(8).toString('hex');
    const event = nodeEvent({ node, verdict, user, nowMs: io.clock.nowMs(), suffix });
    try {
      await cluster.createEvent(event, signal);
      progress.say(`event ${event.reason} left on node ${plainText(node)}: ${event.message}`);
    } catch (error) {
      io.signal.throwIfAborted();
      const words = `no event was left on node ${node}: ${whyNot(error, commandWords)}`;
      await write(io.stderr, `warning: ${plainLines(words)}\n`);
      // What is refused of one node is refused of all.
      if (isMissingRight(error)) return;
      if (signal.aborted) {
        return write(io.stderr, 'warning: the API server is slow: the other nodes got no event\n');
      }
    }
  }
}

function whyNot(error: unknown, commandWords: CommandWords): string {
  if (!isMissingRight(error)) return failureWords(error);
  const cure = withConnection('kubectl gpu-mcp manifest rbac --event', commandWords);
  return `${error.message}; ${cure} prints the right`;
}

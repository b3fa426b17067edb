import { UsageError } from '../contract/errors.ts';
import { optional } from '../contract/optional.ts';
import type { Client } from './client-server.ts';
import type { NodePool } from './node-pool.ts';

/**
 * The same nodes, of which none gets a pod before the client's user has agreed to it, once a node.
 * A client that cannot ask gets no pod: the flag is a promise to whoever set it.
 */
export function confirming(nodes: NodePool, confirmed: Set<string>, ask: Client['ask']): NodePool {
  return {
    targets: nodes.targets,
    namesAreTokens: nodes.namesAreTokens,
    ...optional({ within: nodes.within }),
    close: () => nodes.close(),
    use: (node, signal, work) =>
      nodes.use(node, signal, async sessions => {
        const fresh = sessions.map(({ target }) => target).filter(name => !confirmed.has(name));
        if (fresh.length > 0) {
          await agreed(fresh, nodes.within, ask);
          for (const name of fresh) confirmed.add(name);
        }
        return work(sessions);
      }),
  };
}

/** @throws UsageError where nobody agreed. */
async function agreed(
  names: readonly string[],
  within: string | undefined,
  ask: Client['ask'],
): Promise<void> {
  const where = within ?? names.join(', ');
  const said = await ask(
    within === undefined
      ? `Start a short-lived privileged debug pod on ${where}? It only reads, and is removed afterwards.`
      : `Add an ephemeral container to ${where}? It only reads, and ends with the session; its entry stays in the pod until the pod is deleted.`,
  );
  if (said === undefined) {
    throw new UsageError(
      `nothing was started on ${where}: --confirm is set, and this client cannot ask its user`,
      'use a client with elicitation, or start the server without --confirm',
    );
  }
  if (said !== 'accept') {
    throw new UsageError(`nothing was started on ${where}: the user did not agree`);
  }
}

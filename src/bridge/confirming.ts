import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { ElicitResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { UsageError } from '../contract/errors.ts';
import { CONFIRM_MS_MAX } from '../contract/limits.ts';
import { optional } from '../contract/optional.ts';
import type { NodePool } from './node-pool.ts';

interface Asking {
  readonly server: Server;
  /** Nodes that the user has agreed to. */
  readonly confirmed: Set<string>;
  /** The call that needs the pod. */
  readonly requestId: string | number | undefined;
}

/**
 * The same nodes, of which none gets a pod before the client's user has agreed to it, once a node.
 * A client that cannot ask gets no pod: the flag is a promise to whoever set it.
 */
export function confirming(nodes: NodePool, asking: Asking): NodePool {
  const { confirmed } = asking;
  return {
    targets: nodes.targets,
    namesAreTokens: nodes.namesAreTokens,
    close: () => nodes.close(),
    use: (node, signal, work) =>
      nodes.use(node, signal, async sessions => {
        const fresh = sessions.map(({ target }) => target).filter(name => !confirmed.has(name));
        if (fresh.length > 0) {
          await agreed(fresh, asking, signal);
          for (const name of fresh) confirmed.add(name);
        }
        return work(sessions);
      }),
  };
}

/** @throws UsageError where nobody agreed. */
async function agreed(
  names: readonly string[],
  { server, requestId }: Asking,
  signal: AbortSignal,
): Promise<void> {
  const where = names.join(', ');
  if (server.getClientCapabilities()?.elicitation === undefined) {
    throw new UsageError(
      `no pod was started on ${where}: --confirm is set, and this client cannot ask its user`,
      'use a client with elicitation, or start the server without --confirm',
    );
  }
  const { action } = await server.request(
    {
      method: 'elicitation/create',
      params: {
        message: `Start a short-lived privileged debug pod on ${where}? It only reads, and is removed afterwards.`,
        requestedSchema: { type: 'object', properties: {} },
      },
    },
    ElicitResultSchema,
    { signal, timeout: CONFIRM_MS_MAX, ...optional({ relatedRequestId: requestId }) },
  );
  if (action !== 'accept') {
    throw new UsageError(`no pod was started on ${where}: the user did not agree`);
  }
}

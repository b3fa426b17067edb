import * as z from 'zod';
import { COMPLETION_MS_MAX } from '../contract/limits.ts';
import type { Kept } from './bridge.ts';
import type { NodePool } from './node-pool.ts';
import { PART_NAMES } from './resources.ts';

/** What the words of an argument come from. */
export interface Words {
  readonly nodes: NodePool;
  readonly nodeNames?: () => Promise<readonly string[]>;
  readonly xidCodes?: () => Promise<readonly string[]>;
  readonly kept: () => Promise<Kept | undefined>;
}

/** What is being written: an argument of a prompt, or of an address, and those before it. */
export const Written = z.object({
  ref: z.looseObject({ type: z.enum(['ref/prompt', 'ref/resource']) }),
  argument: z.object({ name: z.string(), value: z.string() }),
  context: z.object({ arguments: z.record(z.string(), z.string()).optional() }).optional(),
});

const COMPLETIONS_MAX = 100;

/** The words that an argument can be completed to. No pod is started; who does not answer completes nothing. */
export async function completed(
  { argument, context }: z.infer<typeof Written>,
  words: Words,
  signal: AbortSignal,
) {
  const within = AbortSignal.any([signal, AbortSignal.timeout(COMPLETION_MS_MAX)]);
  const source = SOURCES[argument.name] ?? (async () => []);
  // A cluster that does not answer says so at the call.
  const known = await source(words, context?.arguments ?? {}, within).catch(() => []);
  // Of several with commas between, the last is being written.
  const [, before = '', written = ''] = /^(.*,\s*)?([^,]*)$/s.exec(argument.value) ?? [];
  const found = known.filter(word => word.startsWith(written.trim()));
  const values = found.slice(0, COMPLETIONS_MAX).map(word => before + word);
  return { completion: { values, total: found.length, hasMore: found.length > values.length } };
}

type Source = (
  words: Words,
  given: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<readonly string[]>;

const snapshots: Source = async ({ kept }) => (await kept())?.names() ?? [];

/** By the names of arguments, of prompts and of addresses alike. */
const SOURCES: Readonly<Record<string, Source>> = {
  part: async () => PART_NAMES,
  node: async ({ nodes: { targets }, nodeNames }) =>
    targets.length > 0 ? targets : ((await nodeNames?.()) ?? []),
  code: async ({ xidCodes }) => (await xidCodes?.()) ?? [],
  snapshot: snapshots,
  name: snapshots,
  async pod({ nodes }, { node }, signal) {
    const [only] = nodes.targets;
    const named = nodes.targets.length === 1 ? only : node;
    if (named === undefined) return [];
    return nodes.use(nodes.targets.length === 1 ? undefined : named, signal, async sessions => {
      const views = await Promise.all(sessions.map(session => session.clusterView?.({}, signal)));
      return views.flatMap(view =>
        view?.pods.ok
          ? view.pods.value.gpuPods.map(({ namespace, name }) => `${namespace}/${name}`)
          : [],
      );
    });
  },
};

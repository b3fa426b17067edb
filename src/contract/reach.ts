import * as z from 'zod';
import type { CommandWords } from './printed-command.ts';

/** No flag but these is printed of a file, and no word of another form. */
const FLAG =
  /^--(?:profile=(?:restricted|ephemeral)|no-syslog|(?:runtime-class|container|namespace)=[a-z0-9][a-z0-9.-]{0,252})$/;

/**
 * How a session reached its node where that was not by a pod with all of the node, as a bundle keeps it: what
 * follows from its answers is asked for in the same way.
 */
export const Reach = z.object({
  pod: z.array(z.string().regex(FLAG)).min(1).max(3),
  /** Of a pod that was looked at from within, and its namespace. */
  within: z
    .object({
      pod: z.string().regex(/^pod\/[a-z0-9][a-z0-9.-]{0,252}$/),
      namespace: z.array(z.string().regex(FLAG)).max(1),
    })
    .optional(),
});
export type Reach = z.infer<typeof Reach>;

/** Undefined for a pod with all of its node, or none. */
export function reachOf({ pod = [], within, namespace }: CommandWords): Reach | undefined {
  const flags = pod.filter(word => FLAG.test(word));
  return Reach.safeParse({
    pod: flags,
    ...(within && { within: { pod: within.pod, namespace } }),
  }).data;
}

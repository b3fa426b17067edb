import * as z from 'zod';
import type { CommandWords } from './printed-command.ts';

/** A flag with the name of an object of Kubernetes: no file has a word of another form printed. */
const named = (name: string) =>
  z.string().regex(new RegExp(`^--${name}=[a-z0-9][a-z0-9.-]{0,252}$`));

const RESTRICTED = z.literal('--profile=restricted');
const NO_SYSLOG = z.literal('--no-syslog');
const EPHEMERAL = z.literal('--profile=ephemeral');

/** A pod of ours with less than all of the node. */
const Restricted = z.object({
  pod: z.union([
    z.tuple([RESTRICTED]),
    z.tuple([RESTRICTED, NO_SYSLOG]),
    z.tuple([RESTRICTED, named('runtime-class')]),
    z.tuple([RESTRICTED, named('runtime-class'), NO_SYSLOG]),
  ]),
  within: z.undefined().optional(),
});

/** A pod that was looked at from within, and its namespace. */
const Within = z.object({
  pod: z.union([z.tuple([EPHEMERAL]), z.tuple([EPHEMERAL, named('container')])]),
  within: z.object({
    pod: z.string().regex(/^pod\/[a-z0-9][a-z0-9.-]{0,252}$/),
    namespace: z.tuple([named('namespace')]),
  }),
});

/**
 * How a session reached its node where that was not by a pod with all of the node, as a bundle keeps it: what
 * follows from its answers is asked for in the same way. It is one of the two as a whole: a namespace beside
 * no profile would have its reader start a privileged pod there.
 */
export const Reach = z.union([Restricted, Within]);
export type Reach = z.infer<typeof Reach>;

/** Undefined for a pod with all of its node, or none. */
export function reachOf({ pod = [], within, namespace }: CommandWords): Reach | undefined {
  return Reach.safeParse({
    pod: pod.filter(word => !OF_ONE_MACHINE.test(word)),
    ...(within && { within: { pod: within.pod, namespace } }),
  }).data;
}

/** What a bundle does not keep of a command: an image and a file of who captured it. */
const OF_ONE_MACHINE = /^--(?:no-image|agent-archive)=/;

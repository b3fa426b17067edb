import * as z from 'zod';
import { publicText, textOf } from './names-in-text.ts';
import type { Fixed } from './reading-schema.ts';

/** What a part of NVIDIA's software on a node can be stuck for, by its own log. */
export const STACK_CAUSES = [
  'disk-full',
  'signature',
  'nouveau',
  'in-use',
  'network',
  'headers',
  'compiler',
  'build',
  'module-load',
  'pre-installed',
  'no-driver',
  'runtime-restart',
  'network-in-use',
  'peermem-load',
  'helper-load',
  'version-mismatch',
  'gpus-lost',
  'not-initialized',
  'driver-root',
  'configuration',
  'mps',
  'none-registered',
  'host-engine',
  'address-in-use',
  'mig-in-use',
  'mig-profile',
  'mig-reset',
] as const;

/**
 * The end of the log of a container that is stuck. The log itself goes no further than where it was
 * fetched: what is kept is the line that tells most.
 */
export const stackLog = z.object({
  container: textOf('container'),
  /** The log of the run before a restart. */
  previous: z.boolean(),
  lines: z.int(),
  bytes: z.int(),
  /** Requests to the API server that it took. */
  requests: z.int(),
  /** The last lines were longer than the bound of bytes. */
  newestUnread: z.literal(true).exactOptional(),
  /** Absent where no line is known. */
  cause: z.enum(STACK_CAUSES).exactOptional(),
  /** That line by the clock of the node's runtime, else the last line. */
  at: publicText.exactOptional(),
  text: textOf('sentence'),
});
export type StackLog = Fixed<z.infer<typeof stackLog>>;

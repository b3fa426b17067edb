import * as z from 'zod';
import { publicText, textOf } from './names-in-text.ts';
import { count, type Fixed, milliseconds } from './reading-schema.ts';

/**
 * One run of one container, as far as a source tells. Names come from logs: cut and made plain,
 * still hostile. Times are milliseconds since 1970; what is not known is absent.
 */
export const containerLife = z.object({
  podUid: publicText.exactOptional(),
  namespace: textOf('namespace').exactOptional(),
  pod: textOf('pod').exactOptional(),
  container: textOf('container').exactOptional(),
  /** 64 hex digits. */
  containerId: publicText.exactOptional(),
  /** Of its first process, as the node numbers it: a child of it has another. */
  pid: count.exactOptional(),
  startedMs: milliseconds.exactOptional(),
  endedMs: milliseconds.exactOptional(),
  exitCode: z.int().exactOptional(),
  /** The last sign of life where its end is not known: it may have lived on. */
  seenMs: milliseconds.exactOptional(),
  /** Lines of the kubelet or the runtime; the dates of its log files; what the cluster remembers. */
  source: z.enum(['service_log', 'log_files', 'cluster']),
});
export type ContainerLife = Fixed<z.infer<typeof containerLife>>;

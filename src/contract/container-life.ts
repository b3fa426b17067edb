/**
 * One run of one container, as far as a source tells. Names come from logs: cut and made plain,
 * still hostile. Times are milliseconds since 1970; what is not known is absent.
 */
export interface ContainerLife {
  readonly podUid?: string;
  readonly namespace?: string;
  readonly pod?: string;
  readonly container?: string;
  /** 64 hex digits. */
  readonly containerId?: string;
  /** Of its first process, as the node numbers it: a child of it has another. */
  readonly pid?: number;
  readonly startedMs?: number;
  readonly endedMs?: number;
  readonly exitCode?: number;
  /** The last sign of life where its end is not known: it may have lived on. */
  readonly seenMs?: number;
  /** Lines of the kubelet or the runtime; the dates of its log files; what the cluster remembers. */
  readonly source: 'service_log' | 'log_files' | 'cluster';
}

import type { ContainerLife } from '../contract/container-life.ts';
import type { PodHistory } from '../kernel-log/port.ts';
import type { Names } from './names.ts';
import { optional } from './optional.ts';

/** The lives of containers without the names of whoever ran them. */
export const redactedPodHistory = (history: PodHistory, names: Names): PodHistory => ({
  async read(spans, signal) {
    const { lives, coverage } = await history.read(spans, signal);
    return { lives: lives.map(each => containerLife(each, names)), coverage };
  },
});

/** Every field is named here: one that is not does not leave. */
export const containerLife = (of: ContainerLife, names: Names): ContainerLife => ({
  ...optional('podUid', of.podUid),
  ...optional('namespace', of.namespace && names.token('ns', of.namespace)),
  ...optional('pod', of.pod && names.token('pod', of.pod)),
  ...optional('container', of.container && names.token('ctr', of.container)),
  ...optional('containerId', of.containerId),
  ...optional('pid', of.pid),
  ...optional('startedMs', of.startedMs),
  ...optional('endedMs', of.endedMs),
  ...optional('exitCode', of.exitCode),
  ...optional('seenMs', of.seenMs),
  source: of.source,
});

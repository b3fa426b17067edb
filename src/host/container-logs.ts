import { join } from 'node:path';
import type { ContainerLife } from '../contract/container-life.ts';
import { known, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachOf, type NodeFiles, pathInRoot } from './files.ts';
import { readPodNames } from './pod-names.ts';

/** The kubelet keeps the logs of one dead container each, and rotates them to five files. */
const FILES_MAX = 64;

/**
 * When containers ran, as the dates of their log files tell: one file a run,
 * `/var/log/pods/<namespace>_<pod>_<uid>/<container>/<restarts>.log`, made when it starts and
 * written to while it speaks. No log is opened. Source: kubelet kuberuntime/helpers.go,
 * BuildContainerLogsDirectory and buildContainerLogsPath.
 */
export async function readContainerLogs(
  files: NodeFiles,
  root: string,
): Promise<Reading<readonly ContainerLife[]>> {
  const pods = await readPodNames(files, root);
  if (!pods.ok) return pods;
  const directory = await pathInRoot(files, root, '/var/log/pods');
  const containers = pods.value.flatMap(({ containers: names, ...pod }) =>
    names.map(container => ({ ...pod, container })),
  );
  const runs = await eachOf(containers, async ({ uid, namespace, pod, container }) => {
    const path = join(directory, `${namespace}_${pod}_${uid}`, container);
    const names = (known(await files.names(path)) ?? []).slice(0, FILES_MAX);
    const all = await eachOf(
      [...new Set(names.flatMap(name => /^(\d{1,6})\.log/.exec(name)?.[1] ?? []))],
      async restarts =>
        runOf(
          files,
          path,
          names.filter(name => name.startsWith(`${restarts}.log`)),
        ),
    );
    return all.flat().map(run => ({
      ...run,
      podUid: plainText(uid, 64),
      namespace,
      pod,
      container,
      source: 'log_files' as const,
    }));
  });
  return present(runs.flat());
}

/** From the birth of the oldest file of a run to the last word in the newest. */
async function runOf(
  files: NodeFiles,
  path: string,
  names: readonly string[],
): Promise<readonly Pick<ContainerLife, 'startedMs' | 'seenMs'>[]> {
  const dates = await eachOf(names, async name => known(await files.stat(join(path, name))) ?? []);
  const stats = dates.flat();
  if (stats.length === 0) return [];
  const seenMs = Math.max(...stats.map(({ mtimeMs }) => mtimeMs));
  const startedMs = Math.min(...stats.map(({ birthtimeMs }) => birthtimeMs));
  // A file system that keeps no birth gives 0, or the last change.
  return [{ ...(startedMs > 0 && startedMs < seenMs ? { startedMs } : {}), seenMs }];
}

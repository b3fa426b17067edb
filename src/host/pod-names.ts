import { join } from 'node:path';
import { known, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachOf, type NodeFiles, pathInRoot } from './files.ts';
import type { PodName } from './port.ts';

/** The kubelet's own bound is 110 pods a node, 500 on large ones; logs outlive pods for a while. */
const PODS_MAX = 1_024;
const CONTAINERS_MAX = 64;

/**
 * Pods by the names of their log directories, `<namespace>_<pod>_<uid>/<container>/`; no log is
 * opened. Source: kubelet kuberuntime/helpers.go, BuildPodLogsDirectory.
 */
export async function readPodNames(
  files: NodeFiles,
  root: string,
): Promise<Reading<readonly PodName[]>> {
  const place = await pathInRoot(files, root, '/var/log/pods');
  if (!place.ok) return place;
  const directory = place.value;
  const names = await files.names(directory);
  if (!names.ok) return names;
  const pods = await eachOf(names.value.slice(0, PODS_MAX), async name => {
    // Neither namespaces nor pods nor UIDs hold an underscore.
    const [namespace, pod, uid, more] = name.split('_');
    if (!namespace || !pod || !uid || more !== undefined) return [];
    const containers = known(await files.names(join(directory, name))) ?? [];
    return [
      {
        uid: plainText(uid, 64),
        namespace: plainText(namespace, 63),
        pod: plainText(pod, 253),
        containers: containers.slice(0, CONTAINERS_MAX).map(each => plainText(each, 63)),
      },
    ];
  });
  return present(pods.flat());
}

/** The UID of a pod by its name, where only one pod of that name has left logs. */
export function uidOf(
  names: Reading<readonly PodName[]>,
  { namespace, pod }: { readonly namespace: string; readonly pod: string },
): string | undefined {
  const same = (known(names) ?? []).filter(
    each => each.pod === pod && each.namespace === namespace,
  );
  return same.length === 1 ? same[0]?.uid : undefined;
}

/**
 * Containers by id, from the names of links in /var/log/containers:
 * `<pod>_<namespace>_<container>-<64 hex>.log`. Source: kubelet, LogSymlink.
 */
export async function readContainerNames(
  files: NodeFiles,
  root: string,
): Promise<ReadonlyMap<string, string>> {
  const place = await pathInRoot(files, root, '/var/log/containers');
  const names = place.ok ? await files.names(place.value) : place;
  const rows = (known(names) ?? []).slice(0, PODS_MAX * 4).flatMap(name => {
    const [, container, id] = /^[^_]+_[^_]+_([^_]{1,63})-([0-9a-f]{64})\.log$/.exec(name) ?? [];
    return container && id ? [[id, plainText(container, 63)] as const] : [];
  });
  return new Map(rows);
}

import type { ClusterQuestion, ClusterView } from '../contract/cluster-view.ts';
import { mapReading, missing, present, type Reading } from '../contract/reading.ts';

const NO_EVENTS = missing('not_read', 'a bundle holds the events of the node, not those of pods');
const NO_SUCH_POD = missing(
  'not_read',
  'the bundle holds the GPU pods of its node, and not this one',
);

/** What a bundle knows of the cluster, with the one pod or the devices that a tool asks for. */
export function storedView(
  { devices, ...stored }: ClusterView,
  { pod, devices: devicesToo = false }: Omit<ClusterQuestion, 'node'>,
): ClusterView {
  const view = devicesToo && devices ? { ...stored, devices } : stored;
  if (!pod) return view;
  const found = mapReading(view.pods, ({ gpuPods }) =>
    gpuPods.find(
      ({ name, namespace }) =>
        name === pod.name && (pod.namespace === undefined || pod.namespace === namespace),
    ),
  );
  return { ...view, pod: found.ok ? orMissing(found.value) : found, podEvents: NO_EVENTS };
}

const orMissing = <T>(value: T | undefined): Reading<T> =>
  value === undefined ? NO_SUCH_POD : present(value);

import { type ClusterView, clusterView } from '../contract/cluster-view.ts';
import type { Names } from './names.ts';
import { redactor } from './redacted.ts';

/**
 * What the cluster says of a node without the names of whoever uses it. Names of nodes, UIDs, times
 * and numbers stay.
 */
export function redactedView(names: Names): (view: ClusterView) => ClusterView {
  return redactor(clusterView, names);
}

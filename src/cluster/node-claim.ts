import type { NodeClaim } from '../contract/cluster-view.ts';
import { plainText } from '../contract/untrusted.ts';
import { listAt, objectAt, textOf } from './json.ts';
import { readCondition } from './read-view.ts';

const CONDITIONS_MAX = 16;

/** The NodeClaim that owns a node (pkg/utils/nodeclaim/nodeclaim.go); empty for one of another make. */
export function nodeClaimOf(node: unknown): string {
  const owner = listAt(node, 'metadata', 'ownerReferences').find(
    one =>
      textOf(one, 'kind') === 'NodeClaim' && /^karpenter\.sh\//.test(textOf(one, 'apiVersion')),
  );
  return textOf(owner, 'name');
}

/** When Karpenter deletes what still runs there (pkg/apis/v1/labels.go). */
const ENDS_AT = 'karpenter.sh/nodeclaim-termination-timestamp';

/** A NodeClaim as ClusterView tells it; texts cut and made plain. */
export function readNodeClaim(json: unknown): NodeClaim {
  const metadata = objectAt(json, 'metadata');
  const endsAt = plainText(textOf(metadata['annotations'], ENDS_AT), 64);
  return {
    name: plainText(textOf(metadata, 'name'), 253),
    deleting: textOf(metadata, 'deletionTimestamp') !== '',
    ...(endsAt !== '' && { endsAt }),
    conditions: listAt(json, 'status', 'conditions').slice(0, CONDITIONS_MAX).map(readCondition),
  };
}

import type { NodeEvent } from '../cluster/port.ts';
import type { Verdict } from '../contract/finding.ts';
import { LABELS, MANAGED_BY, NAME } from '../contract/labels.ts';
import { isoTime } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';
import { VERSION } from '../contract/version.ts';
import type { RbacRule } from './rights.ts';

/** Where Kubernetes keeps the events of nodes, which are in no namespace. */
export const NODE_EVENTS_NAMESPACE = 'default';

/** What `--event` needs beside a session's rights, in that namespace. */
export const NODE_EVENT_RULE: RbacRule = {
  ...{ apiGroups: [''], resources: ['events'] },
  verbs: ['create'],
};

const USER_CHARACTERS_MAX = 80;

/** What `triage --event` leaves on a node: who asked, with which version, and the verdict. No other text. */
export function nodeEvent({
  node,
  verdict,
  user,
  nowMs,
  suffix,
}: {
  readonly node: string;
  readonly verdict: Verdict;
  readonly user: string | undefined;
  readonly nowMs: number;
  /** New at each call. */
  readonly suffix: string;
}): NodeEvent {
  const by = user === undefined ? '' : `, asked by ${quoted(user)}`;
  return {
    ...{ apiVersion: 'v1', kind: 'Event' },
    metadata: {
      ...{ name: `${node}.${NAME}-${suffix}`, namespace: NODE_EVENTS_NAMESPACE },
      labels: { [LABELS.managedBy]: MANAGED_BY },
    },
    // As the kubelet names its node: kubectl describe finds events by it.
    involvedObject: { apiVersion: 'v1', kind: 'Node', name: node, uid: node },
    ...{ reason: 'GpuTriage', message: `${verdict}: kubectl gpu-mcp ${VERSION}${by}` },
    type: verdict === 'critical' || verdict === 'warning' ? 'Warning' : 'Normal',
    source: { component: MANAGED_BY },
    ...{ reportingComponent: MANAGED_BY, reportingInstance: NAME },
    ...{ firstTimestamp: isoTime(nowMs), lastTimestamp: isoTime(nowMs), count: 1 },
  };
}

const quoted = (text: string): string => JSON.stringify(plainText(text, USER_CHARACTERS_MAX));

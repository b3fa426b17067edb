import { type Answer, type Line, linesOf } from '../../contract/answer.ts';
import type { ClusterView } from '../../contract/cluster-view.ts';
import type { GpuMcpError } from '../../contract/errors.ts';
import { clusterLines } from './cluster-lines.ts';
import { clusterPart } from './cluster-rows.ts';
import { verdictLine } from './finding-lines.ts';

/** Much of what is wrong stands in the events of a node that no pod can start on. */
const BOUNDS = { full: false, podsMax: 32, eventsMax: 12 } as const;

/**
 * The page of a node that could not be read: never an all-clear. Undefined where the cluster knows
 * nothing of it either: a node that is not there has no page.
 */
export function unreadNode(
  node: string,
  { message, hint }: Pick<GpuMcpError, 'message' | 'hint'>,
  view: ClusterView,
): Answer | undefined {
  if (!view.node.ok) return undefined;
  const cluster = clusterPart(view, BOUNDS);
  const head = {
    verdict: 'unknown' as const,
    node,
    summary: `The node itself could not be read: ${message}.`,
    ...(hint === undefined ? {} : { hint }),
  };
  return {
    structured: { ...head, cluster },
    lines: [
      verdictLine(head),
      ...linesOf([
        ...(hint === undefined ? [] : [`next: ${hint}`]),
        'What the cluster says:',
        ...clusterLines(cluster),
      ]),
      ...NOT_READ,
    ],
  };
}

const NOT_READ: readonly Line[] = linesOf([
  'Not read: the driver, the kernel log and the host. No fault of the GPUs can be ruled out.',
]);

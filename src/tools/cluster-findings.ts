import type { ClusterView } from '../contract/cluster-view.ts';
import { ACTIONS, type Finding, SEVERITIES } from '../contract/finding.ts';
import { missing, present } from '../contract/reading.ts';
import type { Verdict } from '../findings/diagnosis.ts';
import { nodeConditions } from '../findings/node-conditions.ts';
import type { GpuRow } from './gpu-rows.ts';

interface Judged {
  readonly verdict: Verdict;
  readonly findings: Finding[];
  readonly gpus: readonly GpuRow[];
}

/**
 * The findings of the node with those of the cluster among them, worst first, and the verdict over
 * all. What of the cluster was not read makes no GPU unwell: it changes no verdict.
 */
export function withCluster({ verdict, findings, gpus }: Judged, view: ClusterView) {
  const counted = gpus.filter(row => row.index !== undefined);
  const clues = nodeConditions({
    cluster: view,
    driver: {
      initialized: counted.length > 0 ? present(true) : missing('not_read'),
      count: counted.length > 0 ? present(counted.length) : missing('not_read'),
      gpus: counted.map(({ error }) => ({
        handle: error === undefined ? present(true) : missing('unknown', error),
      })),
    },
    host: { pods: { allocatable: missing('not_read') } },
  });
  const added = clues.map(({ cause: _, sign: __, ...finding }): Finding => finding);
  const all = [...findings, ...added].toSorted(byWeight);
  const worst = added.toSorted(byWeight)[0]?.severity ?? 'info';
  return {
    findings: all,
    verdict:
      WEIGHTS.indexOf(worst) < WEIGHTS.indexOf(verdict) ? verdictOf(worst, verdict) : verdict,
  };
}

const WEIGHTS: readonly string[] = ['critical', 'warning', 'unknown', 'healthy', 'info'];

const verdictOf = (worst: Finding['severity'], verdict: Verdict): Verdict =>
  worst === 'info' ? verdict : worst;

const byWeight = (a: Finding, b: Finding): number =>
  SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
  ACTIONS.indexOf(b.action) - ACTIONS.indexOf(a.action);

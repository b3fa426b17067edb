import type { ClusterView } from '../../contract/cluster-view.ts';
import { known } from '../../contract/reading.ts';
import { diagnose } from '../../findings/diagnosis.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import { countsOfNode, goneGpus } from '../../findings/support/gpu-counts.ts';
import { withCluster } from './cluster-findings.ts';
import { gpuRows } from './gpu-rows.ts';
import type { LogFacts } from './read-node.ts';

/** One node at one moment, as it is compared. */
export interface Snapshot {
  readonly node: string;
  readonly simulated: boolean;
  readonly facts: NodeFacts & { readonly log: LogFacts };
  readonly cluster: ClusterView | undefined;
}

/** A snapshot with what is judged of it. */
export interface Judged extends Snapshot {
  readonly diagnosis: ReturnType<typeof diagnose>;
  readonly rows: ReturnType<typeof gpuRows>;
}

export function judged(snapshot: Snapshot, asked: boolean): Judged {
  const { facts, cluster } = snapshot;
  const rows = gpuRows(facts, ['name', 'uuid', 'serial']);
  const own = diagnose(facts);
  const all =
    asked && cluster
      ? withCluster(
          {
            verdict: own.verdict,
            findings: [...own.findings],
            gpus: rows,
            layers: countsOfNode(facts.host, known(facts.driver.count)),
            gone: goneGpus(facts),
            host: { moduleVersion: known(facts.host.moduleVersion) },
          },
          cluster,
        )
      : {};
  return { ...snapshot, rows, diagnosis: { ...own, ...all } };
}

import { known } from '../../contract/reading.ts';
import { nodeClue, nvmlEvidence } from '../clue.ts';
import { rule } from '../rule.ts';

/**
 * A member of an NVLink domain over several nodes without IMEX: memory is not shared between nodes
 * then. The DRA driver starts IMEX with a job, so that its absence is a remark and no fault.
 */
export const imex = rule(
  'imex',
  { gpu: { tells: ['name', 'fabric'] }, host: { tells: ['daemons'] } },
  facts => {
    const daemons = known(facts.host.daemons);
    const [member] = facts.driver.gpus.filter(gpu => known(gpu.fabric)?.clusterUuid !== undefined);
    if (!member || !daemons || daemons.length === 0) return [];
    // Hopper may name a cluster on a machine that stands alone (torchcomms 1315).
    if (!/GB\d00/.test(known(member.name) ?? '')) return [];
    if (daemons.some(({ kind }) => kind === 'imex')) return [];
    return [
      nodeClue('imex-not-running', {
        severity: 'info',
        component: 'fabric',
        title: 'No IMEX daemon runs on this node of a multi-node NVLink domain',
        action: 'watch',
        advice:
          'Jobs that use NVLink between nodes need it: nvidia-imex as a service, or a ComputeDomain of the DRA driver.',
        blame: 'configuration',
        confidence: 'medium',
        evidence: [
          nvmlEvidence(facts, `clique ${known(member.fabric)?.cliqueId}`, 'nvidia-imex-ctl -N'),
        ],
      }),
    ];
  },
);

import { optional } from '../../contract/optional.ts';
import { known } from '../../contract/reading.ts';
import { gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuAt, gpuName, HOST_NAMES } from '../facts.ts';
import { rule } from '../rule.ts';
import { beganWith, incidentEvidence } from '../support/incident-evidence.ts';

/** XIDs of the GPU's system processor: time-out of a call to it, error in it. */
const GSP_XIDS = [119, 120];

/**
 * The GPU's system processor (GSP) no longer answers the driver: everything on that GPU stands
 * still. Told where the kernel log shows it and no reset has followed.
 */
export const gspFailure = rule(
  'gsp-failure',
  {
    gpu: { tells: [...GPU_NAMES, 'recoveryAction', 'gsp.firmwareVersion'] },
    host: { tells: [...HOST_NAMES] },
    log: true,
  },
  facts =>
    (facts.log?.incidents ?? []).flatMap(incident => {
      const { xid } = incident.root;
      if (xid === null || !GSP_XIDS.includes(xid) || incident.gpu === null) return [];
      if (incident.sinceThen !== null || incident.severity === 'info') return [];
      const ref = gpuAt(facts, incident.gpu);
      const gpu = facts.driver.gpus.find(other => known(other.pci) === incident.gpu);
      const version = known(gpu?.gsp.firmwareVersion);
      return [
        gpuClue(ref, 'gsp-failure', {
          cause: 'firmware',
          severity: 'critical',
          component: 'firmware',
          title: `The system processor (GSP) of ${gpuName(ref)} ${xid === 119 ? 'does not answer the driver' : 'reported an error'}: XID ${xid}`,
          action: incident.action,
          advice:
            'Drain what uses the GPU and reset it; where the reset fails or it comes back, reboot the node and compare the driver version with NVIDIA’s known issues.',
          blame: incident.blame,
          confidence: 'high',
          evidence: [
            incidentEvidence(incident),
            ...(version === undefined
              ? []
              : [nvmlEvidence(facts, `GSP firmware ${version}`, 'nvidia-smi -q | grep -i gsp')]),
          ],
          ...optional({ began: beganWith([incident]) }),
          counterEvidence:
            gpu && known(gpu.recoveryAction) === 0 ? ['the driver asks for no recovery now'] : [],
          wouldChange:
            'The same on other nodes with this driver version speaks against the hardware of this GPU.',
        }),
      ];
    }),
);

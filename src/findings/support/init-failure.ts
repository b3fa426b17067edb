import type { GpuRef } from '../../contract/finding.ts';
import type { Incident } from '../../xid/events.ts';
import { type Clue, gpuClue, gpuName, type NodeFacts, nvmlEvidence } from '../facts.ts';
import { incidentEvidence } from './incident-evidence.ts';

const INIT_KINDS = [
  'rm_init_failed',
  'rm_init_words',
  'gsp_boot_failed',
  'firmware_boot_failed',
  'firmware_files',
  'probe_failed',
];

/** Incidents that say that the driver could not start a GPU; XID 143 is the same with a number. */
export const isInitIncident = ({ root }: Incident): boolean =>
  root.xid === 143 || INIT_KINDS.includes(root.kind);

/** The incident that says why the driver does not have this GPU. */
export const initIncidentOf = (facts: NodeFacts, gpu: GpuRef): Incident | undefined =>
  facts.log?.incidents.find(
    incident =>
      isInitIncident(incident) &&
      incident.sinceThen === null &&
      (incident.gpu === null || gpu.pci === undefined || incident.gpu === gpu.pci),
  );

/** A GPU that the driver found on the bus and could not start. */
export function initFailed(
  facts: NodeFacts,
  { gpu, seen, incident }: { gpu: GpuRef; seen: string; incident: Incident },
): Clue {
  const firmware = incident.root.kind === 'gsp_boot_failed';
  return gpuClue(gpu, 'init-failed', {
    cause: 'lost',
    severity: 'critical',
    component: 'gpu',
    title: `The driver could not start ${gpuName(gpu)}${firmware ? ': its system processor (GSP) did not boot' : ''}`,
    action: incident.action,
    advice:
      'Drain the node, reset this GPU or reboot; where it fails again after a power cycle, open a case with nvidia-bug-report.',
    blame: incident.blame,
    confidence: 'high',
    evidence: [nvmlEvidence(facts, seen, 'nvidia-smi -L'), incidentEvidence(facts, incident)],
    wouldChange: 'A driver that does not support this GPU fails in the same way: compare versions.',
  });
}

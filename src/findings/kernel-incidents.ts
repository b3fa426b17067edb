import type { Action } from '../contract/finding.ts';
import type { Incident } from '../xid/events.ts';
import { eventPodsText, podsOfIncident } from './event-pods.ts';
import { type Clue, findingId, gpuAt, gpuName, type NodeFacts, type Rule } from './facts.ts';
import { causeOf, componentOf, incidentEvidence } from './incident-evidence.ts';
import { isInitIncident } from './init-failure.ts';
import { lostGpu } from './lost-gpu.ts';
import { oomParts } from './oom.ts';
import { isLostIncident } from './places.ts';
import { toldAsRepeats } from './repeats.ts';

/** Every incident of the kernel log that another rule does not already tell. */
export const kernelIncidents: Rule = facts => {
  const lost = lostGpu(facts);
  const isTold = (incident: Incident) =>
    (isLostIncident(incident) || isInitIncident(incident)) &&
    lost.some(
      ({ gpu }) => gpu?.pci === incident.gpu || gpu?.pci === undefined || incident.gpu === null,
    );
  const repeated = toldAsRepeats(facts);
  return (facts.log?.incidents ?? [])
    .filter(incident => !isTold(incident) && !repeated.has(incident))
    .map(incident => incidentClue(facts, incident));
};

/** One incident as a finding of its own. */
export function incidentClue(facts: NodeFacts, incident: Incident): Clue {
  const gpu = incident.gpu === null ? undefined : gpuAt(facts, incident.gpu);
  const cause = causeOf(incident);
  const code = incident.root.xid ?? incident.root.sxid;
  const rule =
    incident.root.xid !== null ? 'xid' : incident.root.sxid !== null ? 'sxid' : incident.root.kind;
  const id = findingId(code === null ? rule : `${rule}-${code}`, gpu);
  const over = incident.sinceThen !== null && incident.severity === 'critical';
  const oom = incident.root.kind === 'oom' ? oomParts(facts, incident) : undefined;
  const whose = podParts(facts, incident);
  return {
    id: incident.firstTime === null ? `${id}@${incident.firstLine}` : `${id}@${incident.firstTime}`,
    ...(cause && (gpu || cause.startsWith('node')) ? { cause } : {}),
    ...(code === null ? {} : { sign: `${rule.toUpperCase()} ${code}` }),
    severity: over ? 'warning' : incident.severity,
    component: componentOf(incident),
    ...(gpu ? { gpu } : {}),
    title: `${incident.title}${gpu ? ` on ${gpuName(gpu)}` : ''}${whose.title}`,
    ...nextStep(incident),
    blame: incident.blame,
    confidence: incident.confidence,
    ...oom,
    evidence: [incidentEvidence(facts, incident), ...whose.evidence, ...(oom?.evidence ?? [])],
    counterEvidence: [
      ...incident.counterEvidence,
      ...incident.disagreement,
      ...(incident.sinceThen === null ? [] : [`since then: ${incident.sinceThen}`]),
    ],
  };
}

/** Whose it was, where that is known: who only holds the GPU now is not named. */
function podParts(facts: NodeFacts, incident: Incident) {
  const pods = podsOfIncident(facts, incident).filter(({ by }) => by !== 'allocation');
  const [first, ...others] = pods;
  if (!first) return { title: '', evidence: [] };
  const isSure = others.length === 0 && first.confidence !== 'low' && first.pod !== undefined;
  const name = [first.namespace ?? [], first.pod ?? []].flat().join('/');
  return {
    title: isSure && incident.blame === 'application' ? `, by pod ${name}` : '',
    evidence: [
      {
        what: eventPodsText(pods),
        source: first.by === 'process' ? '/proc' : 'kubelet and container runtime',
        ...(incident.firstTime === null ? {} : { time: incident.firstTime }),
        command: 'journalctl -u kubelet -u containerd -u crio',
      },
    ],
  };
}

/** What came before a reset or a driver load asks for nothing now, unless no reset cures it. */
function nextStep({ action, advice, severity, sinceThen }: Incident) {
  const own = advice ?? ADVICE[action];
  const over = sinceThen !== null && severity === 'critical';
  if (!over || action === 'contact_support' || action === 'none') return { action, advice: own };
  return {
    action: 'watch' as const,
    advice: `The driver was loaded or the GPU reset since: nothing to do unless it comes back. Then: ${own}`,
  };
}

/** The next step for each action, in our words. */
export const ADVICE: Readonly<Record<Action, string>> = {
  none: 'Nothing to do for the GPU.',
  watch: 'Nothing to do now; look again if it repeats.',
  restart_app: 'Look at the application first and restart it; the GPU itself is usable.',
  fix_configuration: 'Correct the configuration named above.',
  reset_gpu:
    'Drain what uses the GPU, then reset it (on NVSwitch machines all GPUs together), then verify.',
  drain: 'Move the work away from this GPU before anything else.',
  drain_and_reset: 'Let the jobs on the GPU end, then reset it.',
  reboot_node: 'Drain the node and reboot it.',
  power_cycle: 'Drain the node and power-cycle it; a warm reboot is not enough.',
  contact_support: 'Drain the node and open a case with NVIDIA, with nvidia-bug-report attached.',
};

import type { Action } from '../../contract/finding.ts';
import { known } from '../../contract/reading.ts';
import type { Incident } from '../../xid/events.ts';
import { type Clue, findingId, type NodeFacts, type Rule } from '../facts.ts';
import { eventPodsText, podsOfIncident } from '../support/event-pods.ts';
import { struckBy } from '../support/incident-device.ts';
import { causeOf, componentOf, incidentEvidence } from '../support/incident-evidence.ts';
import { isInitIncident } from '../support/init-failure.ts';
import { oomParts } from '../support/oom.ts';
import { isLostIncident } from '../support/places.ts';
import { toldAsRepeats } from '../support/repeats.ts';
import { lostGpu } from './lost-gpu.ts';

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
  const { gpu, where, aside } = struckBy(facts, incident);
  const cause = causeOf(incident);
  const code = incident.root.xid ?? incident.root.sxid;
  const rule =
    incident.root.xid !== null ? 'xid' : incident.root.sxid !== null ? 'sxid' : incident.root.kind;
  const id = findingId(code === null ? rule : `${rule}-${code}`, gpu);
  const answers = isLostIncident(incident) && answersNow(facts, incident.gpu);
  const oom = incident.root.kind === 'oom' ? oomParts(facts, incident) : undefined;
  const whose = podParts(facts, incident);
  return {
    id: incident.firstTime === null ? `${id}@${incident.firstLine}` : `${id}@${incident.firstTime}`,
    ...(cause && (gpu || cause.startsWith('node')) ? { cause } : {}),
    ...(code === null ? {} : { sign: `${rule.toUpperCase()} ${code}` }),
    severity: severityOf(incident, { answers, aside }),
    component: aside ? 'host' : componentOf(incident),
    ...(gpu ? { gpu } : {}),
    title: `${incident.title}${where}${whose.title}`,
    ...(answers ? ANSWERS : aside ? ASIDE : nextStep(incident)),
    blame: incident.blame,
    confidence: answers ? 'low' : incident.confidence,
    ...oom,
    evidence: [incidentEvidence(facts, incident), ...whose.evidence, ...(oom?.evidence ?? [])],
    counterEvidence: [
      ...incident.counterEvidence,
      ...incident.disagreement,
      ...(incident.sinceThen === null ? [] : [`since then: ${incident.sinceThen}`]),
      ...(answers ? ['NVML opens this GPU now and reads its temperature and memory'] : []),
    ],
    ...(incident.severity === 'info' ? {} : { wouldChange: wouldChangeOf(incident) }),
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

/** A GPU that was lost and answers: it was taken back (PCI rescan), or the line is not what it seems. */
const answersNow = ({ driver }: NodeFacts, pci: string | null): boolean =>
  driver.gpus.some(
    ({ pci: own, handle, temperatureC, memory }) =>
      pci !== null && known(own) === pci && handle.ok && temperatureC.ok && memory.ok,
  );

const ASIDE = {
  action: 'watch',
  advice: 'No GPU is known at that address: look at that device if jobs need it.',
} as const;

/** What is over is milder; what is no matter of the GPUs is a remark. */
function severityOf(
  incident: Incident,
  { answers, aside }: { readonly answers: boolean; readonly aside: boolean },
): Incident['severity'] {
  if (aside) return 'info';
  if (incident.over) return incident.severity;
  return answers || isOver(incident) ? milder(incident.severity) : incident.severity;
}

const ANSWERS = {
  action: 'watch',
  advice:
    'The GPU answers again: watch it, and drain the node if the line comes back; look at power, seating and temperature.',
} as const;

/**
 * What came before a reset or a driver load is over: a program's fault and a mismatch of versions
 * are gone with it and leave a remark, a fault of the GPU stays worth a warning.
 */
const isOver = ({ sinceThen, severity, blame, root, action }: Incident): boolean =>
  sinceThen !== null &&
  (severity === 'critical' ||
    (root.xid !== null && blame === 'application' && action !== 'contact_support') ||
    root.kind === 'api_mismatch');

const milder = (severity: Incident['severity']) =>
  severity === 'critical' ? ('warning' as const) : ('info' as const);

/** By whom is blamed: what would show that someone else is at fault, or that it is over. */
function wouldChangeOf({ blame, action }: Incident): string {
  switch (blame) {
    case 'application':
      return 'The same fault of other programs on this GPU, and on no other, would make its hardware a suspect.';
    case 'hardware':
      return action === 'contact_support'
        ? 'A clean run of the field diagnostics.'
        : 'The same again after the reset or reboot makes it a case for NVIDIA.';
    case 'driver':
      return 'The same on other nodes with this driver version is a case for NVIDIA; on this GPU alone, for its hardware.';
    case 'fabric':
      return 'Lines of the other end of the link would tell which end failed.';
    case 'host':
      return "The host's own error log (BMC, rasdaemon) shows nothing at that time.";
    case 'configuration':
      return 'The same after the versions or settings were put right.';
    case 'unknown':
      return "An entry for the number in NVIDIA's present catalogue.";
  }
}

/** What came before a reset or a driver load asks for nothing now, unless no reset cures it. */
function nextStep(incident: Incident) {
  const { action, advice, over } = incident;
  const own = advice ?? ADVICE[action];
  if (over || !isOver(incident) || action === 'contact_support' || action === 'none')
    return { action, advice: own };
  return {
    action: 'watch' as const,
    advice: `The driver was loaded or the GPU reset since: nothing to do unless it comes back. Then: ${own}`,
  };
}

/** The next step for each action, in our words. */
const ADVICE: Readonly<Record<Action, string>> = {
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

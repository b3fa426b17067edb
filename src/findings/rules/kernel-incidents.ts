import type { Action, Evidence, GpuRef } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { Incident, KernelEvent } from '../../xid/events.ts';
import { namesAnyDevice } from '../../xid/families.ts';
import { type Clue, findingId } from '../clue.ts';
import { gpuAt, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { eventPodsText, podsOfIncident } from '../support/event-pods.ts';
import { beganWith, causeOf, componentOf, incidentEvidence } from '../support/incident-evidence.ts';
import { gpusOnBus, isLostIncident, noGpuButInLog } from '../support/places.ts';
import { repeatedIncidents } from '../support/repeats.ts';
import { isInitIncident, lostGpu } from './lost-gpu.ts';

/** Every incident of the kernel log that another rule does not already tell. */
export const kernelIncidents = rule(
  'kernel-incidents',
  {
    findings: [lostGpu],
    gpu: { tells: ['memory', 'temperatureC', 'minorNumber', 'migInstances'] },
    host: {
      decides: ['pciDevices', 'pciDevices.bridges'],
      tells: [
        ...['nics', 'nics.pci', 'bootId', 'pods.allocations', 'pods.checkpoint', 'pods.names'],
        'uptimeSeconds',
      ],
    },
    history: true,
  } as const,
  facts => {
    const lost = lostGpu(facts);
    const isOfLostGpu = (incident: Incident) =>
      (isLostIncident(incident) || isInitIncident(incident)) &&
      lost.some(
        ({ gpu }) => gpu?.pci === incident.gpu || gpu?.pci === undefined || incident.gpu === null,
      );
    const repeated = repeatedIncidents(facts);
    return (facts.log?.incidents ?? [])
      .filter(incident => !isOfLostGpu(incident) && !repeated.has(incident))
      .map(incident => incidentClue(facts, incident));
  },
);

/** One incident as a finding of its own. */
export function incidentClue(facts: NodeFacts, incident: Incident): Clue {
  const { gpu, where, aside } = deviceOf(facts, incident);
  const cause = causeOf(incident);
  const code = incident.root.xid ?? incident.root.sxid;
  const rule =
    incident.root.xid !== null ? 'xid' : incident.root.sxid !== null ? 'sxid' : incident.root.kind;
  const name = code === null ? rule : `${rule}-${code}`;
  const id = gpu ? findingId(name, gpu) : name;
  const denial = isLostIncident(incident) ? denialOf(facts, incident.gpu, aside) : undefined;
  const oom = incident.root.kind === 'oom' ? oomParts(facts, incident) : undefined;
  const whose = podParts(facts, incident);
  return {
    id: incident.firstTime === null ? `${id}@${incident.firstLine}` : `${id}@${incident.firstTime}`,
    ...(cause && (gpu || cause.startsWith('node')) ? { cause } : {}),
    ...(code === null ? {} : { sign: `${rule.toUpperCase()} ${code}` }),
    severity: severityOf(incident, { isDenied: denial !== undefined, aside }),
    component: aside ? 'host' : componentOf(incident),
    ...(gpu ? { gpu } : {}),
    title: `${incident.title}${where}${whose.title}${denial ? ', claimed by the log only' : ''}`,
    ...(denial?.step ?? (aside ? ASIDE : nextStep(incident))),
    blame: incident.blame,
    confidence: denial ? 'low' : incident.confidence,
    ...oom,
    evidence: [incidentEvidence(incident), ...whose.evidence, ...(oom?.evidence ?? [])],
    counterEvidence: [
      ...incident.counterEvidence,
      ...incident.disagreement,
      ...(incident.sinceThen === null ? [] : [`since then: ${incident.sinceThen}`]),
      ...(denial ? [denial.says] : []),
    ],
    ...optional({ began: beganWith([incident]) }),
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

/** What a layer below the log says against a line that calls a GPU lost. */
function denialOf(facts: NodeFacts, pci: string | null, aside: boolean) {
  if (answersNow(facts, pci)) {
    return { step: ANSWERS, says: 'NVML opens this GPU now and reads its temperature and memory' };
  }
  if (noGpuButInLog(facts)) {
    return { step: NOWHERE, says: 'no GPU is on the PCI bus and no driver is loaded' };
  }
  return aside ? { step: ASIDE, says: 'no GPU is known at that address' } : undefined;
}

const NOWHERE = {
  action: 'watch',
  advice:
    'This machine shows no GPU but in that line: look whether it should have one, and who wrote the line.',
} as const;

const ASIDE = {
  action: 'watch',
  advice: 'No GPU is known at that address: look at that device if jobs need it.',
} as const;

/** What is over is milder; what is no matter of the GPUs is a remark. */
function severityOf(
  incident: Incident,
  { isDenied, aside }: { readonly isDenied: boolean; readonly aside: boolean },
): Incident['severity'] {
  if (aside) return 'info';
  if (incident.over) return incident.severity;
  return isDenied || isOver(incident) ? milder(incident.severity) : incident.severity;
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
  reset_gpu: 'Drain what uses the GPU, then reset it, then verify.',
  drain: 'Move the work away from this GPU before anything else.',
  drain_and_reset: 'Let the jobs on the GPU end, then reset it.',
  reboot_node: 'Drain the node and reboot it.',
  power_cycle: 'Drain the node and power-cycle it; a warm reboot is not enough.',
  contact_support: 'Drain the node and open a case with NVIDIA, with nvidia-bug-report attached.',
};

/** The device that an incident is about, as its finding names it. */
interface Device {
  readonly gpu?: GpuRef;
  /** ` on GPU 3 (0000:3b:00)`; empty where the line names no device. */
  readonly where: string;
  /** A device that is no GPU and that no GPU works through. */
  readonly aside: boolean;
}

/**
 * Lines of the driver name GPUs; those of the PCI bus and the IOMMU name any device. A disk's fault is
 * none of a GPU, and what is above GPUs on the bus is told by its own address.
 */
function deviceOf(facts: NodeFacts, incident: Incident): Device {
  const pci = incident.gpu;
  if (pci === null) return { where: '', aside: false };
  if (!namesAnyDevice(incident.root.kind) || isGpu(facts, pci)) {
    const gpu = gpuAt(facts, pci);
    return { gpu, where: ` on ${gpuName(gpu)}`, aside: false };
  }
  const devices = known(facts.host.pciDevices) ?? [];
  if (devices.some(device => device.pci === pci)) {
    return { where: ` on the NVSwitch at ${pci}`, aside: false };
  }
  const below = devices.filter(({ bridges }) => known(bridges)?.some(bridge => bridge.pci === pci));
  if (below.length > 0) {
    const names = below.slice(0, 2).map(device => gpuName(gpuAt(facts, device.pci)));
    const more = below.length > 2 ? ` and ${below.length - 2} more` : '';
    return { where: ` on the bridge ${pci} above ${names.join(', ')}${more}`, aside: false };
  }
  const nic = known(facts.host.nics)?.find(adapter => known(adapter.pci) === pci);
  if (nic) return { where: ` on the adapter ${plainText(nic.name, 32)} (${pci})`, aside: true };
  // Where the bus was not read, a gap says so: nobody is accused, and nobody called healthy.
  const what = facts.host.pciDevices.ok ? ', which is no GPU' : '';
  return { where: ` on the device at ${pci}${what}`, aside: true };
}

/** Whether any layer knows a GPU of this address. */
const isGpu = (facts: NodeFacts, pci: string): boolean =>
  facts.driver.gpus.some(gpu => known(gpu.pci) === pci) ||
  gpusOnBus(facts).some(device => device.pci === pci) ||
  (known(facts.host.driverGpus)?.some(gpu => gpu.pci === pci) ?? false) ||
  (facts.log?.gpus.some(gpu => gpu.pci === pci) ?? false);

/**
 * What a kill for lack of memory says beyond its incident: whether a container met its own limit,
 * which is the pod's affair, or the node ran out, and whose process and pod it was.
 */
function oomParts(
  facts: NodeFacts,
  incident: Incident,
): Partial<Pick<Clue, 'title' | 'blame' | 'advice'>> & { readonly evidence: readonly Evidence[] } {
  const events = (facts.log?.events ?? []).filter(
    event =>
      event.kind === 'oom' &&
      event.source === incident.source &&
      incident.lines.includes(event.line) &&
      event.details['stage'] !== 'invoked',
  );
  const [first] = events;
  if (!first) return { evidence: [] };
  const ownLimit = events.some(({ details }) => details['constraint'] === 'CONSTRAINT_MEMCG');
  const pods = facts.host.pods;
  const uid = events.map(({ details }) => details['pod_uid']).find(value => value !== null);
  const pod = known(pods.names)?.find(name => name.uid === uid);
  return {
    ...(ownLimit
      ? {
          title: 'A container was ended for using more host memory than its limit',
          blame: 'application' as const,
          advice:
            "Raise the pod's memory limit or lower what it uses (data loaders, pinned memory), then restart it; no GPU is at fault.",
        }
      : {}),
    evidence: [oomEvidence(first, pod && `${pod.namespace}/${pod.pod}`)],
  };
}

const oomEvidence = (event: KernelEvent, pod: string | undefined): Evidence => ({
  what: `process ${event.pid ?? '?'} (${plainText(event.process ?? '?', 32)})${pod === undefined ? '' : ` of pod ${plainText(pod, 128)}`} was ended`,
  source: event.source,
  ...(event.time === null ? {} : { time: event.time }),
  command: 'dmesg -T | grep -iE "oom|killed process"',
});

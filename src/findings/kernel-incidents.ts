import type { Action, Finding } from '../contract/finding.ts';
import { isoTime } from '../contract/time.ts';
import type { Incident } from '../xid/events.ts';
import { findingId, gpuAt, gpuName, type NodeFacts, type Rule } from './facts.ts';
import { lostGpu } from './lost-gpu.ts';
import { isLostIncident } from './places.ts';

/** Every incident of the kernel log that another rule does not already tell. */
export const kernelIncidents: Rule = facts => {
  const lost = lostGpu(facts);
  return (facts.log?.incidents ?? [])
    .filter(
      incident =>
        !(
          isLostIncident(incident) &&
          lost.some(finding => finding.gpu?.pci === incident.gpu || finding.gpu?.pci === undefined)
        ),
    )
    .map(incident => finding(facts, incident));
};

function finding(facts: NodeFacts, incident: Incident): Finding {
  const gpu = incident.gpu === null ? undefined : gpuAt(facts, incident.gpu);
  const code = incident.root.xid ?? incident.root.sxid;
  const rule =
    incident.root.xid !== null ? 'xid' : incident.root.sxid !== null ? 'sxid' : incident.root.kind;
  const id = findingId(code === null ? rule : `${rule}-${code}`, gpu);
  const over = incident.sinceThen !== null && incident.severity === 'critical';
  return {
    id: incident.firstTime === null ? `${id}@${incident.firstLine}` : `${id}@${incident.firstTime}`,
    severity: over ? 'warning' : incident.severity,
    component: incident.root.sxid === null ? 'gpu' : 'nvswitch',
    ...(gpu ? { gpu } : {}),
    title: `${incident.title}${gpu ? ` on ${gpuName(gpu)}` : ''}`,
    action: incident.action,
    advice: incident.advice ?? ADVICE[incident.action],
    blame: incident.blame,
    confidence: incident.confidence,
    evidence: [
      {
        what: `${incident.why} ${incident.count === 1 ? '1 line' : `${incident.count} lines`}, action by ${incident.actionSource}`,
        source: incident.source,
        time: incident.lastTime ?? isoTime(facts.nowMs),
        command: 'dmesg -T | grep -E "NVRM|nvidia-nvswitch"',
      },
    ],
    counterEvidence: [
      ...incident.counterEvidence,
      ...incident.disagreement,
      ...(incident.sinceThen === null ? [] : [`since then: ${incident.sinceThen}`]),
    ],
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

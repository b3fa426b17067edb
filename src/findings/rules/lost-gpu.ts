import { type GpuRef, recordTimes } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import { known, type MissingReason, reasonWords } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { GpuState } from '../../nvml/port.ts';
import type { Incident } from '../../xid/events.ts';
import { type Clue, gpuClue, nvmlEvidence } from '../clue.ts';
import { GPU_NAMES, gpuAt, gpuName, gpuRef, HOST_NAMES, type NodeFacts } from '../facts.ts';
import { ANY } from '../labels.ts';
import { rule } from '../rule.ts';
import { beganWith, incidentEvidence } from '../support/incident-evidence.ts';
import {
  certainPlace,
  gpusOnBus,
  isLostIncident,
  namelessGpus,
  otherDrivers,
  unaccountedPcis,
} from '../support/places.ts';
import { saysLost } from '../support/readings.ts';
import { wrongDriver } from '../support/wrong-driver.ts';

/** A GPU that the driver has lost, or that some layers see and others do not. */
export const lostGpu = rule(
  'lost-gpu',
  {
    gpu: { decides: [ANY], tells: [...GPU_NAMES, 'handle'] },
    driver: { decides: ['initialized', 'count'] },
    host: { decides: ['pciDevices'], tells: [...HOST_NAMES, 'moduleVersion'] },
    log: true,
  },
  facts => [...lostByDriver(facts), ...missingFromDriver(facts)],
);

function lostByDriver(facts: NodeFacts): readonly Clue[] {
  return facts.driver.gpus.flatMap(gpu => {
    const reason = lossOf(gpu);
    if (reason === undefined) return [];
    const ref = withPci(facts, gpuRef(gpu));
    return [
      lostFinding(facts, ref, `NVML says "${reasonWords(reason)}" of index ${gpu.index}`, reason),
    ];
  });
}

/**
 * What nvmlDeviceGetHandleByIndex says of a GPU that does not work. Other words (no_permission,
 * in_use, timeout, crashed) are about who asks: they are gaps and accuse no GPU.
 */
const LOSSES: readonly MissingReason[] = [
  'gpu_is_lost',
  'reset_required',
  'insufficient_power',
  'irq_issue',
  'not_found',
  'gpu_not_found',
  'unknown',
];

/** Fields that must agree that a GPU is lost which has given its handle. */
const LOST_FIELDS_MIN = 2;

function lossOf(gpu: GpuState): MissingReason | undefined {
  const { handle } = gpu;
  if (!handle.ok) return LOSSES.includes(handle.reason) ? handle.reason : undefined;
  const lost = Object.values(gpu).filter(saysLost);
  return lost.length >= LOST_FIELDS_MIN ? 'gpu_is_lost' : undefined;
}

/** A lost handle gives no address; the bus or the log may. */
function withPci(facts: NodeFacts, gpu: GpuRef): GpuRef {
  const pci = gpu.pci ?? certainPlace(facts);
  return pci === undefined ? gpu : { ...gpuAt(facts, pci), ...gpu, pci };
}

/** GPUs on the PCI bus for which NVML has no index at all. */
function missingFromDriver(facts: NodeFacts): readonly Clue[] {
  const { initialized, count } = facts.driver;
  if (!initialized.ok || !count.ok || wrongDriver(facts)) return [];
  const others = otherDrivers(facts).map(({ pci, driver }) =>
    otherDriver(facts, gpuAt(facts, pci), driver ?? 'no driver'),
  );
  const nameless = namelessGpus(facts).length;
  const unaccounted = unaccountedPcis(facts);
  if (unaccounted.length <= nameless) return others;
  const layer = gpusOnBus(facts).length > 0 ? 'the PCI bus shows' : 'the kernel log names';
  const without = (pcis: readonly string[]) =>
    `${layer} ${pcis.join(', ')}, NVML counts ${count.value} GPUs without ${pcis.length === 1 ? 'it' : 'these'}`;
  // Which of several addresses is that of a GPU without a name, nobody can tell.
  const lost: readonly (readonly [GpuRef, string])[] =
    nameless > 0
      ? [[{}, without(unaccounted)]]
      : unaccounted.map(pci => [gpuAt(facts, pci), without([pci])]);
  return [
    ...others,
    ...lost.map(([gpu, seen]) => lostFinding(facts, gpu, seen, 'not counted by NVML')),
  ];
}

function lostFinding(facts: NodeFacts, gpu: GpuRef, seen: string, reason: string): Clue {
  const incidents = (facts.log?.incidents ?? []).filter(
    other => isLostIncident(other) && (gpu.pci === undefined || other.gpu === gpu.pci),
  );
  const [incident] = incidents;
  const failed = incident ? undefined : initIncidentOf(facts, gpu);
  if (failed) return initFailed(facts, { gpu, seen, incident: failed });
  const step = nextStep(gpu, incident?.codes.includes(79) ? 'fell off' : reason);
  const serial = facts.log?.gpus.find(other => other.pci === gpu.pci)?.serial;
  const candidates = unaccountedPcis(facts);
  const onBus = known(facts.host.pciDevices)?.some(device => device.pci === gpu.pci);
  return gpuClue(gpu, 'lost-gpu', {
    cause: 'lost',
    severity: 'critical',
    component: 'gpu',
    ...step,
    blame: 'hardware',
    confidence: incident ? 'high' : 'medium',
    evidence: [
      nvmlEvidence(facts, seen, 'nvidia-smi -L'),
      ...(incident
        ? [
            {
              what: `${incident.title}${incident.count > 1 ? ` (${incident.count} lines)` : ''}`,
              source: incident.source,
              ...recordTimes([incident.firstTime, incident.lastTime]),
              command: 'dmesg -T | grep -E "NVRM|nvidia-nvswitch"',
            },
          ]
        : []),
      ...(serial
        ? [{ what: `board serial number ${plainText(serial, 32)}`, source: 'kernel log' }]
        : []),
      ...(gpu.pci === undefined && candidates.length > 0
        ? [
            {
              what: `a lost GPU tells no address: it is one of ${candidates.join(', ')}`,
              source: gpusOnBus(facts).length > 0 ? '/sys/bus/pci/devices' : 'kernel log',
              command: 'lspci -d 10de:',
            },
          ]
        : []),
    ],
    counterEvidence: onBus ? ['the PCI bus still lists the device'] : [],
    // What came before a boot or a load is another time, unless nothing came since.
    ...optional({
      began: beganWith(incidents.filter(other => other.sinceThen === incident?.sinceThen)),
    }),
    wouldChange: 'A GPU that answers after the reboot and fails again is a case for NVIDIA.',
  });
}

/** What happened to it, in words; others are the driver's own. */
const LOST_WORDS: Readonly<Record<string, string>> = {
  'fell off': 'it fell off the PCIe bus',
  gpu_is_lost: 'the driver cannot reach it',
  'not counted by NVML': 'NVML does not count it',
};

function nextStep(
  gpu: GpuRef,
  reason: string,
): Pick<Clue, 'title' | 'action' | 'advice' | 'byHand'> {
  const name = gpuName(gpu);
  switch (reason) {
    case 'reset_required':
      return {
        title: `${name} must be reset`,
        action: 'reset_gpu',
        advice: `Drain what uses ${name}, then reset it (nvidia-smi --gpu-reset).`,
      };
    case 'insufficient_power':
      return {
        title: `${name} has too little power: insufficient_power`,
        action: 'power_cycle',
        advice: 'Drain the node, power it off and look at the power cables of this board.',
        byHand: true,
      };
    default:
      return {
        title: `${name} is lost: ${LOST_WORDS[reason] ?? reasonWords(reason)}`,
        action: 'reboot_node',
        advice: 'Drain the node and reboot it.',
      };
  }
}

function otherDriver(facts: NodeFacts, gpu: GpuRef, bound: string): Clue {
  return gpuClue(gpu, 'gpu-not-bound', {
    severity: 'warning',
    component: 'gpu',
    title: `${gpuName(gpu)} is bound to ${bound}, not to nvidia`,
    action: 'fix_configuration',
    advice:
      'Unbind it from that driver if this GPU should serve pods (vfio-pci is right for virtual machines).',
    blame: 'configuration',
    confidence: 'high',
    evidence: [
      {
        what: `driver of ${gpu.pci}: ${bound}`,
        source: `/sys/bus/pci/devices/${gpu.pci}.0/driver`,
        command: shell`lspci -k -s ${gpu.pci ?? ''}`,
      },
    ],
    counterEvidence: facts.driver.initialized.ok
      ? ['the other GPUs work with the nvidia driver']
      : [],
    wouldChange: 'A node that is meant to give this GPU to virtual machines.',
  });
}

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
const initIncidentOf = (facts: NodeFacts, gpu: GpuRef): Incident | undefined =>
  facts.log?.incidents.find(
    incident =>
      isInitIncident(incident) &&
      incident.sinceThen === null &&
      (incident.gpu === null || gpu.pci === undefined || incident.gpu === gpu.pci),
  );

/** A GPU that the driver found on the bus and could not start. */
function initFailed(
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
    evidence: [nvmlEvidence(facts, seen, 'nvidia-smi -L'), incidentEvidence(incident)],
    ...optional({ began: beganWith([incident]) }),
    wouldChange: 'A driver that does not support this GPU fails in the same way: compare versions.',
  });
}

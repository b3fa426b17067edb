import type { GpuRef } from '../contract/finding.ts';
import { known } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import {
  type Clue,
  findingId,
  gpuAt,
  gpuName,
  gpuRef,
  type NodeFacts,
  nvmlEvidence,
  type Rule,
} from './facts.ts';
import { initFailed, initIncidentOf } from './init-failure.ts';
import { certainPlace, isLostIncident, namelessGpus, unaccountedPcis } from './places.ts';
import { wrongDriver } from './wrong-driver.ts';

/** A GPU that the driver has lost, or that some layers see and others do not. */
export const lostGpu: Rule = facts => [...lostByDriver(facts), ...missingFromDriver(facts)];

function lostByDriver(facts: NodeFacts): readonly Clue[] {
  return facts.driver.gpus
    .filter(gpu => !gpu.handle.ok || isLost(gpu.uuid) || isLost(gpu.temperatureC))
    .filter(gpu => gpu.handle.ok || gpu.handle.reason !== 'timeout')
    .map(gpu => {
      const ref = withPci(facts, gpuRef(gpu));
      const reason = gpu.handle.ok ? 'gpu_is_lost' : gpu.handle.reason;
      return lostFinding(facts, ref, `NVML says ${reason} for index ${gpu.index}`, reason);
    });
}

const isLost = (reading: { ok: boolean; reason?: string }): boolean =>
  !reading.ok && reading.reason === 'gpu_is_lost';

/** A lost handle gives no address; the bus or the log may. */
function withPci(facts: NodeFacts, gpu: GpuRef): GpuRef {
  const pci = gpu.pci ?? certainPlace(facts);
  return pci === undefined ? gpu : { ...gpuAt(facts, pci), ...gpu, pci };
}

/** GPUs on the PCI bus for which NVML has no index at all. */
function missingFromDriver(facts: NodeFacts): readonly Clue[] {
  const { initialized, count } = facts.driver;
  if (!initialized.ok || !count.ok || wrongDriver(facts)) return [];
  const nameless = namelessGpus(facts).length;
  const unaccounted = unaccountedPcis(facts);
  if (unaccounted.length <= nameless) return [];
  return unaccounted.slice(nameless).map(pci => {
    const device = known(facts.host.pciDevices)?.find(other => other.pci === pci);
    const bound = device?.driver ?? 'no driver';
    if (bound !== 'nvidia') return otherDriver(facts, gpuAt(facts, pci), bound);
    return lostFinding(
      facts,
      gpuAt(facts, pci),
      `the PCI bus shows ${pci}, NVML counts ${count.value} GPUs without it`,
      'not counted by NVML',
    );
  });
}

function lostFinding(facts: NodeFacts, gpu: GpuRef, seen: string, reason: string): Clue {
  const incident = facts.log?.incidents.find(
    other => isLostIncident(other) && (gpu.pci === undefined || other.gpu === gpu.pci),
  );
  const failed = incident ? undefined : initIncidentOf(facts, gpu);
  if (failed) return initFailed(facts, { gpu, seen, incident: failed });
  const needsReset = reason === 'reset_required';
  const serial = facts.log?.gpus.find(other => other.pci === gpu.pci)?.serial;
  const candidates = unaccountedPcis(facts);
  const onBus = known(facts.host.pciDevices)?.some(device => device.pci === gpu.pci);
  return {
    id: findingId('lost-gpu', gpu),
    cause: 'lost',
    severity: 'critical',
    component: 'gpu',
    gpu,
    title: needsReset ? `${gpuName(gpu)} must be reset` : `${gpuName(gpu)} is lost: ${reason}`,
    action: needsReset ? 'reset_gpu' : 'reboot_node',
    advice: needsReset
      ? `Drain what uses ${gpuName(gpu)}, then reset it (nvidia-smi --gpu-reset).`
      : 'Drain the node and reboot it; if the GPU stays away, power-cycle, then open a case with the serial number.',
    blame: 'hardware',
    confidence: incident ? 'high' : 'medium',
    evidence: [
      nvmlEvidence(facts, seen, 'nvidia-smi -L'),
      ...(incident
        ? [
            {
              what: `${incident.title}${incident.count > 1 ? ` (${incident.count} lines)` : ''}`,
              source: incident.source,
              ...(incident.firstTime ? { time: incident.firstTime } : {}),
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
              source: '/sys/bus/pci/devices',
              command: 'lspci -d 10de:',
            },
          ]
        : []),
    ],
    counterEvidence: onBus ? ['the PCI bus still lists the device'] : [],
    wouldChange: 'A GPU that answers after the reboot and fails again is a case for NVIDIA.',
  };
}

function otherDriver(facts: NodeFacts, gpu: GpuRef, bound: string): Clue {
  return {
    id: findingId('gpu-not-bound', gpu),
    severity: 'warning',
    component: 'gpu',
    gpu,
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
        command: `lspci -k -s ${gpu.pci}`,
      },
    ],
    counterEvidence: facts.driver.initialized.ok
      ? ['the other GPUs work with the nvidia driver']
      : [],
  };
}

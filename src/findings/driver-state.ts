import type { Reading } from '../contract/reading.ts';
import { known } from '../contract/reading.ts';
import { type Clue, findingId, type NodeFacts, nvmlEvidence, type Rule } from './facts.ts';
import { wrongDriver } from './wrong-driver.ts';

/** The driver cannot be asked at all: not loaded, library absent, versions apart, or anything else. */
export const driverState: Rule = facts => {
  const { library, initialized } = facts.driver;
  if (facts.driver.unresponsive) return [];
  const wrong = wrongDriver(facts);
  if (wrong && facts.driver.gpus.length === 0) return [wrong];
  if (initialized.ok) return [];
  const gpus = known(facts.host.pciDevices)?.filter(device => device.kind === 'gpu').length;
  if (initialized.reason === 'lib_rm_version_mismatch') return [versionMismatch(facts)];
  if (!library.ok || initialized.reason === 'driver_not_loaded') return [notLoaded(facts, gpus)];
  return [
    {
      id: findingId('driver-not-usable'),
      severity: 'critical',
      component: 'driver',
      title: `NVML does not start: ${initialized.reason}`,
      action: 'reboot_node',
      advice:
        'Read the NVRM lines of the kernel log for the reason; without one, drain and reboot the node.',
      blame: 'driver',
      confidence: 'medium',
      evidence: [nvmlEvidence(facts, `nvmlInit_v2 returned ${why(initialized)}`, 'nvidia-smi')],
      counterEvidence: [],
    },
  ];
};

const why = (reading: Reading<unknown>): string =>
  reading.ok
    ? 'success'
    : `${reading.reason}${reading.detail ? ` (${briefly(reading.detail)})` : ''}`;

/** A list of places is long: the first ones and the number say it. */
function briefly(detail: string): string {
  const [first = '', second = '', ...others] = detail.split(', ');
  return others.length > 1 ? `${first}, ${second} and ${others.length} more places` : detail;
}

function notLoaded(facts: NodeFacts, gpus: number | undefined): Clue {
  const { library, initialized } = facts.driver;
  const { moduleVersion } = facts.host;
  const bound = [
    ...new Set(
      (known(facts.host.pciDevices) ?? [])
        .filter(device => device.kind === 'gpu')
        .map(device => device.driver ?? 'no driver'),
    ),
  ];
  const onBus =
    gpus === undefined ? 'The PCI bus could not be read' : `${gpus} GPUs on the PCI bus`;
  return {
    id: findingId('driver-not-loaded'),
    severity: gpus === 0 ? 'warning' : 'critical',
    component: 'driver',
    title:
      gpus === 0
        ? 'No NVIDIA GPU on the PCI bus and no driver'
        : moduleVersion.ok
          ? 'The NVIDIA kernel module is loaded, but its library was not found'
          : 'The NVIDIA driver is not loaded',
    action: 'fix_configuration',
    advice:
      gpus === 0
        ? 'Check that this is a GPU node; if it should have GPUs, power-cycle it and look at the firmware.'
        : 'Install or start the driver (driver package, driver DaemonSet); look for nouveau or vfio-pci holding the GPUs.',
    blame: gpus === 0 ? 'unknown' : 'configuration',
    confidence: 'high',
    evidence: [
      { what: onBus, source: '/sys/bus/pci/devices', command: 'lspci -d 10de:' },
      ...(bound.length > 0
        ? [
            {
              what: `bound to: ${bound.join(', ')}`,
              source: '/sys/bus/pci/devices/*/driver',
              command: 'lspci -k -d 10de:',
            },
          ]
        : []),
      {
        what: moduleVersion.ok
          ? `kernel module ${moduleVersion.value}`
          : `kernel module: ${moduleVersion.reason}`,
        source: '/proc/driver/nvidia/version',
        command: 'cat /proc/driver/nvidia/version',
      },
      nvmlEvidence(
        facts,
        library.ok ? `nvmlInit_v2: ${why(initialized)}` : `libnvidia-ml.so.1: ${why(library)}`,
        'nvidia-smi',
      ),
    ],
    counterEvidence: [],
  };
}

function versionMismatch(facts: NodeFacts): Clue {
  const module = known(facts.host.moduleVersion);
  const library = known(facts.driver.library);
  return {
    id: findingId('driver-version-mismatch'),
    cause: 'node-versions',
    severity: 'critical',
    component: 'driver',
    title: 'Driver library and kernel module are of different versions',
    action: 'reboot_node',
    advice:
      'A driver upgrade replaced the library while the old module runs: drain the node, then reload the module or reboot.',
    blame: 'configuration',
    confidence: 'high',
    evidence: [
      nvmlEvidence(facts, 'nvmlInit_v2 returned lib_rm_version_mismatch (18)', 'nvidia-smi'),
      {
        what: `loaded module ${module ?? 'unknown'}, library ${library ?? 'unknown'}`,
        source: '/proc/driver/nvidia/version',
        command: 'cat /proc/driver/nvidia/version; ls -l /usr/lib/*/libnvidia-ml.so*',
      },
    ],
    counterEvidence: [],
  };
}

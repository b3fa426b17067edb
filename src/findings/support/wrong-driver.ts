import { known } from '../../contract/reading.ts';
import { type Clue, nodeClue } from '../clue.ts';
import type { NodeFacts } from '../facts.ts';

/** Another driver than NVIDIA's holds every GPU of the node: nouveau, or vfio for virtual machines. */
export function wrongDriver(facts: NodeFacts): Clue | undefined {
  const gpus = (known(facts.host.pciDevices) ?? []).filter(({ kind }) => kind === 'gpu');
  const drivers = new Set(gpus.map(({ driver }) => driver));
  const [driver] = drivers;
  if (drivers.size !== 1 || driver === undefined || driver === 'nvidia') return undefined;
  const loaded = facts.host.moduleVersion;
  const evidence = [
    {
      what: `${gpus.length} GPUs are bound to ${driver}`,
      source: '/sys/bus/pci/devices/*/driver',
      command: 'lspci -k -d 10de:',
    },
    {
      what: loaded.ok
        ? `NVIDIA's module ${loaded.value} is loaded`
        : `NVIDIA's module: ${loaded.reason}`,
      source: '/proc/driver/nvidia/version',
      command: 'cat /proc/driver/nvidia/version; lsmod | grep -E "nouveau|nvidia|vfio"',
    },
  ];
  if (driver === 'vfio-pci') {
    return nodeClue('gpus-for-virtual-machines', {
      severity: 'warning',
      component: 'driver',
      title: `All ${gpus.length} GPUs are bound to vfio-pci: they serve virtual machines, not pods`,
      action: 'fix_configuration',
      advice:
        'Nothing to do where this node runs virtual machines; else unbind them and load the NVIDIA driver.',
      blame: 'configuration',
      confidence: 'high',
      evidence,
      wouldChange: 'A node that is meant to serve virtual machines.',
    });
  }
  return nodeClue('wrong-driver', {
    severity: 'critical',
    component: 'driver',
    title: `${driver} holds all ${gpus.length} GPUs, so that NVIDIA's driver cannot`,
    action: 'fix_configuration',
    advice:
      driver === 'nouveau'
        ? 'Blacklist nouveau (modprobe.d and the initramfs), reboot, then load the NVIDIA driver.'
        : `Unbind the GPUs from ${driver}, then load the NVIDIA driver.`,
    blame: 'configuration',
    confidence: 'high',
    evidence,
    wouldChange: 'A node that is meant to be without the NVIDIA driver.',
  });
}

import type { GpuRef } from '../../contract/finding.ts';
import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { Incident } from '../../xid/events.ts';
import { namesAnyDevice } from '../../xid/families.ts';
import { gpuAt, gpuName, type NodeFacts } from '../facts.ts';
import { gpusOnBus } from './places.ts';

/** What an incident struck, as its finding names it. */
export interface Struck {
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
export function struckBy(facts: NodeFacts, incident: Incident): Struck {
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
  const below = devices.filter(({ bridges }) => known(bridges)?.some(one => one.pci === pci));
  if (below.length > 0) {
    const names = below.slice(0, 2).map(device => gpuName(gpuAt(facts, device.pci)));
    const more = below.length > 2 ? ` and ${below.length - 2} more` : '';
    return { where: ` on the bridge ${pci} above ${names.join(', ')}${more}`, aside: false };
  }
  const nic = known(facts.host.nics)?.find(one => known(one.pci) === pci);
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

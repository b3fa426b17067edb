import { known } from '../contract/reading.ts';
import type { Incident } from '../xid/events.ts';
import type { NodeFacts } from './facts.ts';

/** Incidents that say that a GPU is gone. */
export const isLostIncident = (incident: Incident): boolean =>
  incident.root.xid === 79 || ['gpu_lost', 'fallen_off_bus'].includes(incident.root.kind);

/**
 * PCI addresses of GPUs that some layer knows and NVML does not give: those of the bus, and where
 * the bus shows none at all, those that the kernel log says were lost.
 */
export function unaccountedPcis(facts: NodeFacts): readonly string[] {
  const counted = new Set(facts.driver.gpus.map(gpu => known(gpu.pci)));
  const onBus = (known(facts.host.pciDevices) ?? [])
    .filter(device => device.kind === 'gpu' && device.function === 0)
    .map(device => device.pci);
  const inLog = (facts.log?.incidents ?? []).filter(isLostIncident).flatMap(({ gpu }) => gpu ?? []);
  return [...new Set(onBus.length > 0 ? onBus : inLog)].filter(pci => !counted.has(pci));
}

/** GPUs that NVML counts and gives no address for: a lost handle tells none. */
export const namelessGpus = (facts: NodeFacts) =>
  facts.driver.gpus.filter(gpu => known(gpu.pci) === undefined);

/** The address of the only nameless GPU: sure only where exactly one address is left over. */
export function certainPlace(facts: NodeFacts): string | undefined {
  const unaccounted = unaccountedPcis(facts);
  return unaccounted.length === 1 && namelessGpus(facts).length === 1 ? unaccounted[0] : undefined;
}

import type { Finding } from '../../contract/finding.ts';
import type { Incident } from '../../xid/events.ts';

/**
 * What Azure's Guest Health Reporting calls a fault of a GPU, a link or a port: Impact categories for Guest
 * Health Reporting, github.com/MicrosoftDocs/azure-compute-docs. Those of AMD's boards are left out.
 */
const HPC = 'Resource.Hpc';
const unhealthy = (name: string): string => `${HPC}.Unhealthy.${name}`;

const BY_XID: Readonly<Record<number, string>> = {
  48: unhealthy('XID48DoubleBitECC'),
  79: unhealthy('XID79FallenOffBus'),
  94: unhealthy('XID94ContainedECCError'),
  95: unhealthy('XID95UncontainedECCError'),
};
const OTHER_XID = unhealthy('GpuXIDError');

/** By the id of a finding, the first that fits. */
const BY_FINDING: readonly (readonly [id: RegExp, category: string])[] = [
  [/^row-remap-failed\b/, unhealthy('HpcRowRemapFailure')],
  [/^inforom-corrupt\b/, unhealthy('HpcInforomCorruption')],
  [/^driver-unresponsive\b/, unhealthy('UnhealthyGPUNvidiasmi')],
  [/^(?:lost-gpu|gpu-absent)\b/, unhealthy('HpcMissingGpu')],
  [/^nvlink-down\b/, unhealthy('NvLink')],
  [/^nic-down\b/, unhealthy('IBPortDown')],
  [/^nic-flapping\b/, unhealthy('IBPortFlapping')],
];

/** What a person chooses where the readings do not say it. */
const BY_HAND = [
  `${HPC}.Reset`,
  `${HPC}.Reboot`,
  `${HPC}.Investigate.NVLink`,
  ...['MissingIB', 'IBPerformance', 'HpcGpuDcgmDiagFailure', 'HpcDcgmiThermalReport'].map(
    unhealthy,
  ),
  ...['ECCPageRetirementTableFull', 'DBEOverLimit', 'EROTFailure', 'GPUMemoryBWFailure'].map(
    unhealthy,
  ),
  ...['CPUPerformance', 'ManualInvestigation', 'HpcGenericFailure'].map(unhealthy),
];

export const AZURE_CATEGORIES: readonly string[] = [
  ...new Set([...BY_FINDING.map(([, category]) => category), ...Object.values(BY_XID), OTHER_XID]),
  ...BY_HAND,
];

/** That of the worst finding, where it is a fault of the machine and a category says just that. */
export function azureCategory({
  findings: [worst],
  incidents,
}: {
  readonly findings: readonly Finding[];
  readonly incidents: readonly Incident[];
}): string | undefined {
  if (!worst || !['hardware', 'fabric', 'driver'].includes(worst.blame)) return undefined;
  const xid = /^XID (\d+)$/.exec(worst.began?.code ?? '')?.[1];
  const known = xid === undefined ? undefined : BY_XID[Number(xid)];
  const byFinding = BY_FINDING.find(([id]) => id.test(worst.id))?.[1];
  const fell = incidents.some(({ codes, gpu }) => codes.includes(79) && gpu === worst.gpu?.pci);
  if (byFinding === unhealthy('HpcMissingGpu') && fell) return BY_XID[79];
  return byFinding ?? known ?? (xid === undefined ? undefined : OTHER_XID);
}

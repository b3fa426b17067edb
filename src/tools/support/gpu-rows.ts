import * as z from 'zod';
import type { Line } from '../../contract/answer.ts';
import { UsageError } from '../../contract/errors.ts';
import { type Finding, gpusOf } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { pciKey } from '../../contract/pci.ts';
import { known, MISSING_REASONS } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import {
  certainPlace,
  namelessGpus,
  otherDrivers,
  unaccountedPcis,
} from '../../findings/support/places.ts';
import type { GpuState } from '../../nvml/port.ts';
import { type Field, fieldValues, VALUES } from './gpu-fields.ts';
import { ProcessRow } from './process-rows.ts';
import { bytesText, GIB } from './wording.ts';

/** What a listed schema says of a row; the other readings are named in the descriptions. */
export const GPU_ROW_KEYS = ['index', 'pci', 'error', 'name', 'uuid'];

/**
 * One GPU of an answer. A value that could not be read is absent, and its name stands under its
 * reason in `unavailable`; a GPU that cannot be opened has `error` and what other layers know.
 */
export const GpuRow = z
  .strictObject({
    index: z.int().min(0).max(1024).optional(),
    pci: z.string().optional(),
    error: z.string().optional(),
    ...VALUES,
    processes: z.array(ProcessRow).optional(),
    unavailable: z.partialRecord(z.enum(MISSING_REASONS), z.array(z.string())).optional(),
  })
  .meta({ listedKeys: GPU_ROW_KEYS });
export type GpuRow = z.infer<typeof GpuRow>;

/**
 * The GPUs of the node, also those that the driver cannot open or does not count: a broken GPU is
 * a row with its error and never a missing row.
 */
export function gpuRows(facts: NodeFacts, fields: readonly Field[]): readonly GpuRow[] {
  const { driver } = facts;
  const certain = certainPlace(facts);
  const rows = driver.gpus.map(gpu => gpuRow(gpu, known(gpu.pci) ?? certain, fields, facts));
  const error = driver.initialized.ok ? 'not_counted_by_driver' : driver.initialized.reason;
  // As many addresses as there are nameless GPUs are those GPUs, whichever is which.
  const others = [
    ...unaccountedPcis(facts).slice(namelessGpus(facts).length),
    ...otherDrivers(facts).map(({ pci }) => pci),
  ];
  return [...rows, ...others.map(pci => GpuRow.parse({ pci, error, ...identity(facts, pci) }))];
}

function gpuRow(
  gpu: GpuState,
  pci: string | undefined,
  fields: readonly Field[],
  facts: NodeFacts,
): GpuRow {
  const place = { index: gpu.index, ...optional({ pci }) };
  if (!gpu.handle.ok) {
    return GpuRow.parse({
      ...place,
      error: gpu.handle.reason,
      ...(pci === undefined ? {} : identity(facts, pci)),
    });
  }
  const { values, unavailable } = fieldValues(gpu, fields);
  return GpuRow.parse({
    ...place,
    ...values,
    ...(Object.keys(unavailable).length === 0 ? {} : { unavailable }),
  });
}

/** What the kernel module and the log still know of a GPU that the driver cannot open. */
function identity({ host, log }: NodeFacts, pci: string) {
  const listed = known(host.driverGpus)?.find(gpu => gpu.pci === pci);
  const logged = log?.gpus.find(gpu => gpu.pci === pci);
  const name = listed && known(listed.model);
  const uuid = (listed && known(listed.uuid)) ?? logged?.uuid ?? undefined;
  const serial = logged?.serial ?? undefined;
  return optional({
    serial: serial && plainText(serial, 48),
    name: name && plainText(name, 96),
    uuid: uuid && plainText(uuid, 48),
  });
}

/**
 * The rows that a selector names: an index, a UUID or a PCI address, as nvidia-smi, lspci and our own
 * answers write them (`GPU 3`, `3b:00.0`), or several with commas between them.
 *
 * @throws UsageError when one of them is no GPU of this node.
 */
export function selectRows(
  rows: readonly GpuRow[],
  selector: string | undefined,
): readonly GpuRow[] {
  if (selector === undefined || /^(all|\*)$/i.test(selector.trim())) return rows;
  const wanted = selector.split(',').map(name => {
    const found = rows.filter(isNamed(name));
    if (found.length === 1) return found[0];
    const names = rows.map(row => row.index ?? row.pci ?? row.uuid).join(', ');
    throw new UsageError(
      `${found.length === 0 ? 'no GPU' : 'more than one GPU is'} "${plainText(name.trim(), 48)}" on this node`,
      `use an index, a UUID or a PCI address; here are ${names === '' ? 'no GPUs' : names}`,
    );
  });
  return rows.filter(row => wanted.includes(row));
}

function isNamed(text: string): (row: GpuRow) => boolean {
  const name = text
    .trim()
    .toLowerCase()
    .replace(/^gpu[ #:]*(?=\d+$)/, '');
  // lspci leaves out domain 0, nvidia-smi does not: two buses of one number are told apart by hand.
  const short = /^[0-9a-f]{1,2}:[0-9a-f]{1,2}(\.[0-7])?$/.test(name);
  const pci = pciKey(short ? `0000:${name}` : name);
  return row =>
    String(row.index) === name ||
    row.uuid?.toLowerCase() === name ||
    (pci !== undefined && (short ? row.pci?.endsWith(pci.slice(4)) === true : row.pci === pci));
}

/** Whether a finding is about this GPU, alone or among others. */
export const isAbout = (finding: Finding, row: GpuRow): boolean =>
  gpusOf(finding).some(
    ({ index, pci }) =>
      (index !== undefined && index === row.index) || (pci !== undefined && pci === row.pci),
  );

/** The input field that selects one GPU. */
export const gpuSelector = z
  .string()
  .min(1)
  .max(64)
  .optional()
  .describe('Index, UUID or PCI address; absent: all.');

/** `GPU 3  0000:3b:00  NVIDIA H100 80GB HBM3  64 °C  520/700 W  71.2/80.0 GiB  97 %`. */
export function gpuLine(gpu: GpuRow): Line {
  const name = `GPU ${gpu.index ?? '?'}`.padEnd(6);
  const place = (gpu.pci ?? 'address unknown').padEnd(12);
  if (gpu.error !== undefined) {
    const serial = gpu.serial && `serial ${gpu.serial}`;
    const parts = [`${name} ${place}`, `ERROR ${gpu.error}`, gpu.name, gpu.uuid, serial];
    return { kind: 'critical', text: parts.filter(Boolean).join('  ') };
  }
  const gaps = Object.entries(gpu.unavailable ?? {})
    .filter(([reason]) => reason !== 'not_supported')
    .map(
      ([reason, fields]) =>
        `${reason}: ${fields.length} ${fields.length === 1 ? 'reading' : 'readings'}`,
    );
  const parts = [`${name} ${place}`, gpu.name ?? 'name not read', ...figures(gpu), ...gaps];
  return { kind: 'plain', text: parts.join('  ') };
}

function figures(gpu: GpuRow): string[] {
  const { memory } = gpu;
  return [
    gpu.temperatureC === undefined ? '' : `${gpu.temperatureC} °C`,
    gpu.powerUsageMw === undefined
      ? ''
      : `${watts(gpu.powerUsageMw)}${gpu.enforcedPowerLimitMw === undefined ? '' : `/${watts(gpu.enforcedPowerLimitMw)}`} W`,
    memory === undefined
      ? ''
      : `${(memory.usedBytes / GIB).toFixed(1)}/${(memory.totalBytes / GIB).toFixed(1)} GiB`,
    gpu.gpuUtilizationPercent === undefined ? '' : `${gpu.gpuUtilizationPercent} % busy`,
    gpu.eccUncorrectedVolatile ? `${gpu.eccUncorrectedVolatile} uncorrected ECC` : '',
    gpu.migMode?.current ? 'MIG' : '',
  ].filter(text => text !== '');
}

const watts = (milliwatts: number): string => String(Math.round(milliwatts / 1000));

/** How a GPU is named at the head of a block about it. */
export const gpuName = ({ index, pci }: Pick<GpuRow, 'index' | 'pci'>): string =>
  `GPU ${index ?? '?'}  ${pci ?? 'address unknown'}`;

/** All that there is to say of a GPU that cannot be opened. */
export const errorLine = (name: string, error: string): Line => ({
  kind: 'critical',
  text: `${name}  ERROR ${error}`,
});

/** How a GPU is divided, and what still fits; no line where MIG is off. */
export function migLines({ migInstances = [], migProfiles = [] }: GpuRow): string[] {
  const left = migProfiles.map(
    ({ name, remaining, instancesMax }) => `${name} ${remaining ?? 'unknown'}/${instancesMax}`,
  );
  return [
    ...migInstances.map(instanceLine),
    ...(left.length > 0 ? [`  MIG free/total: ${left.join(', ')}`] : []),
  ];
}

/** `  MIG 3g.40gb  GPU instance 1, memory slices 4-7  18.6 GiB of 39.3 GiB  MIG-5f3b...`. */
function instanceLine(row: NonNullable<GpuRow['migInstances']>[number]): string {
  const { profile, gpuInstance, placement, usedBytes, totalBytes, uuid } = row;
  const slices =
    placement === undefined
      ? ''
      : `, memory slices ${placement.start}-${placement.start + placement.size - 1}`;
  return [
    `  MIG ${profile ?? 'profile not read'}`,
    `GPU instance ${gpuInstance ?? 'not read'}${slices}`,
    usedBytes === undefined || totalBytes === undefined
      ? ''
      : `${bytesText(usedBytes)} of ${bytesText(totalBytes)}`,
    uuid ?? '',
  ]
    .filter(text => text !== '')
    .join('  ');
}

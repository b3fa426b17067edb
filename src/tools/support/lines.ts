import type { Finding } from '../../contract/finding.ts';
import { durationText } from '../../contract/time.ts';
import type { Verdict } from '../../findings/diagnosis.ts';
import type { GpuRow } from './gpu-rows.ts';
import type { NodeRow } from './node-row.ts';

/** How the parts of an answer read as lines. Facts in, text out; no colours. */

const GIB = 1024 ** 3;

/** `GPU 3  0000:3b:00  NVIDIA H100 80GB HBM3  64 °C  520/700 W  71.2/80.0 GiB  97 %`. */
export function gpuLine(gpu: GpuRow): string {
  const name = `GPU ${gpu.index ?? '?'}`.padEnd(6);
  const place = (gpu.pci ?? 'address unknown').padEnd(12);
  if (gpu.error !== undefined) {
    return [`${name} ${place}`, `ERROR ${gpu.error}`, gpu.name, gpu.uuid]
      .filter(Boolean)
      .join('  ');
  }
  const gaps = Object.entries(gpu.unavailable ?? {})
    .filter(([reason]) => reason !== 'not_supported')
    .map(
      ([reason, fields]) =>
        `${reason}: ${fields.length} ${fields.length === 1 ? 'reading' : 'readings'}`,
    );
  return [`${name} ${place}`, gpu.name ?? 'name not read', ...figures(gpu), ...gaps].join('  ');
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

/** One line about the machine and its driver. */
export function nodeLine(row: NodeRow): string {
  return [
    `node ${row.hostname ?? 'name not read'}`,
    row.os,
    row.kernel === undefined ? undefined : `kernel ${row.kernel}`,
    row.driverVersion === undefined
      ? row.moduleVersion === undefined
        ? 'no driver'
        : `module ${row.moduleVersion}`
      : `driver ${row.driverVersion}${row.moduleKind === undefined ? '' : ` (${row.moduleKind} module)`}`,
    row.cudaVersion === undefined ? undefined : `CUDA ${row.cudaVersion}`,
    row.uptimeSeconds === undefined ? undefined : `up ${durationText(row.uptimeSeconds * 1000)}`,
  ]
    .filter(part => part !== undefined)
    .join(', ');
}

/** A finding as a block: title, action, evidence, what speaks against it, how to check. */
export function findingLines(finding: Finding, nowMs: number): string[] {
  const label = (name: string) => `    ${name.padEnd(9)} `;
  const commands = [...new Set(finding.evidence.flatMap(item => item.command ?? []))];
  return [
    `${finding.severity.toUpperCase().padEnd(8)}  ${finding.title}`,
    `${label('action')}${finding.action}: ${finding.advice}`,
    `${label('blame')}${finding.blame}, confidence ${finding.confidence}`,
    ...finding.evidence.map(
      (item, index) =>
        `${label(index === 0 ? 'evidence' : '')}${item.what} [${[item.source, when(item.time, nowMs)].filter(Boolean).join(', ')}]`,
    ),
    ...finding.counterEvidence.map(
      (text, index) => `${label(index === 0 ? 'against' : '')}${text}`,
    ),
    ...(finding.wouldChange === undefined ? [] : [`${label('changes')}${finding.wouldChange}`]),
    ...commands.map((text, index) => `${label(index === 0 ? 'check' : '')}${text}`),
  ];
}

/** `2026-11-23T08:20:43Z, 4 min 12 s ago`. */
export function when(time: string | undefined | null, nowMs: number): string | undefined {
  if (time === undefined || time === null) return undefined;
  const age = nowMs - Date.parse(time);
  return age < 2_000 ? time : `${time}, ${durationText(age)} ago`;
}

/** The verdict as the first word of a page. */
export const VERDICT_WORD: Readonly<Record<Verdict, string>> = {
  critical: 'CRITICAL',
  warning: 'WARNING',
  healthy: 'HEALTHY',
  unknown: 'UNKNOWN',
};

/** `12.5 GiB`, `640 MiB`. */
export const bytesText = (bytes: number): string =>
  bytes >= GIB ? `${(bytes / GIB).toFixed(1)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;

/** `1 pod`, `2 pods`. */
export const plural = (amount: number, one: string, many = `${one}s`): string =>
  `${amount} ${amount === 1 ? one : many}`;

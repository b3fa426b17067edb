import type { Incident, KernelEvent } from '../../xid/events.ts';
import { namesAnyDevice } from '../../xid/families.ts';
import { when } from './lines.ts';

/** How incidents and events of the kernel log read as lines; our words first, the node's last. */

/** An incident as a block: title, action, why, when, what speaks against it. */
export function incidentLines(
  incident: Incident & { gpuIndex?: number | undefined },
  nowMs: number,
): string[] {
  const label = (name: string) => `    ${name.padEnd(9)} `;
  const { gpu, gpuIndex, count } = incident;
  const where =
    gpu === null
      ? ''
      : gpuIndex === undefined
        ? ` ${namesAnyDevice(incident.root.kind) ? 'at' : 'on GPU at'} ${gpu}`
        : ` on GPU ${gpuIndex} (${gpu})`;
  const against = [...incident.counterEvidence, ...incident.disagreement];
  return [
    `${incident.severity.toUpperCase().padEnd(8)}  ${incident.title}${where}${incident.over ? ' (over)' : ''}`,
    `${label('action')}${incident.action}${incident.advice === undefined ? '' : `: ${incident.advice}`}`,
    `${label('by')}${incident.actionSource}; blame ${incident.blame}, confidence ${incident.confidence}`,
    `${label('why')}${incident.why}`,
    `${label('when')}${when(incident.firstTime, nowMs) ?? `line ${incident.firstLine}, time unknown`}; ${count === 1 ? '1 line' : `${count} lines`}`,
    ...against.map((text, index) => `${label(index === 0 ? 'against' : '')}${text}`),
    ...(incident.sinceThen === null ? [] : [`${label('since')}${incident.sinceThen}`]),
  ];
}

/** One event on one line, its text last. */
export const eventLine = (event: KernelEvent): string =>
  `  ${event.time ?? `line ${event.line}`}  ${event.severity.padEnd(8)} ${event.text}`;

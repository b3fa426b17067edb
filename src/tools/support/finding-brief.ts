import type { Written } from '../../contract/answer.ts';
import { type Finding, type Hits, recorded } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { hitsText, severityLine } from './finding-lines.ts';
import { placesOf } from './folded-gpus.ts';

/** A finding for a model: without what the head of its answer says, and how the same is seen by hand. */
export function briefFinding(
  finding: Finding,
  evidenceMax: number,
  head?: Pick<Finding, 'advice'> & { readonly action: string },
) {
  const { id, severity, title, action, advice, otherwise, hits, blame, confidence } = finding;
  const { gpu, gpus, evidence, counterEvidence, wouldChange } = finding;
  const isHead = action === head?.action && advice === head.advice;
  return {
    ...{ id, severity },
    ...(gpu && { gpu: optional({ index: gpu.index, pci: gpu.pci }) }),
    ...(gpus && { gpus: placesOf(gpus) }),
    title,
    ...(isHead
      ? {}
      : { action, advice, ...optional({ otherwise, hits: hits && briefHits(hits) }) }),
    ...(severity !== 'info' && { blame, confidence }),
    ...(severity !== 'info' &&
      evidenceMax > 0 && {
        evidence: evidence.slice(0, evidenceMax).map(({ what, source, time, lastTime, count }) => ({
          ...{ what, source },
          ...optional({ time, lastTime, count }),
        })),
        ...(counterEvidence.length > 0 && {
          counterEvidence: counterEvidence.slice(0, evidenceMax),
        }),
        ...optional({ wouldChange }),
      }),
  };
}

/** A pod that has a name needs no uid. */
export const briefHits = ({ pods, ...hits }: Hits): Hits => ({
  pods: pods.map(({ podUid, ...pod }) => (pod.pod === undefined ? { podUid, ...pod } : pod)),
  ...hits,
});

/** The same as lines. */
export function briefFindingLines(finding: ReturnType<typeof briefFinding>): Written[] {
  const { id, severity, title, action, advice, otherwise, hits, blame, confidence } = finding;
  const { evidence = [], counterEvidence = [], wouldChange, gpus } = finding;
  const about = gpus === undefined ? '' : ` [GPU ${gpus}]`;
  return [
    severityLine(severity, `${title}${about} (${id})`),
    ...(action === undefined ? [] : [`  action: ${action}: ${advice}`]),
    ...(hits ? [`  hits: ${hitsText(hits)}`] : []),
    ...(otherwise === undefined ? [] : [`  if not: ${otherwise}`]),
    ...(blame === undefined ? [] : [`  blame: ${blame}, confidence ${confidence}`]),
    ...evidence.map(
      ({ what, source, ...times }) =>
        `  - ${what} [${[source, recorded(times) ?? []].flat().join(', ')}]`,
    ),
    ...counterEvidence.map(text => `  against: ${text}`),
    ...(wouldChange === undefined ? [] : [`  would change: ${wouldChange}`]),
  ];
}

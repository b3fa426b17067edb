import type { Finding, GpuRef } from '../../contract/finding.ts';
import { grouped } from './grouped.ts';

/** From so many GPUs on, one finding tells them all: what strikes many has one cause. */
const GPUS_MIN = 3;
const NAMED_MAX = 16;
const EVIDENCE_MAX = 4;

/** The same finding on many GPUs made one finding that names them; the others as they are. */
export function oneFindingForSeveralGpus(findings: readonly Finding[]): readonly Finding[] {
  const groups = grouped(findings, finding =>
    finding.gpu
      ? [ruleOf(finding), finding.severity, finding.action, finding.blame].join()
      : finding,
  );
  return [...groups.values()].flatMap(members => {
    const gpus = members.flatMap(({ gpu }) => gpu ?? []);
    const [first] = members;
    // Several incidents of one GPU in time are not one cause on several GPUs.
    const distinct = new Set(gpus.map(({ pci, index }) => pci ?? index)).size;
    return first && distinct === members.length && distinct >= GPUS_MIN
      ? [together(first, members, gpus)]
      : members;
  });
}

/** `lost-gpu:0000:61:00`, `xid-31:0000:43:00@2026-...`: the rule is what stands before the GPU. */
const ruleOf = ({ id }: Finding): string => id.slice(0, id.indexOf(':'));

function together(first: Finding, members: readonly Finding[], gpus: readonly GpuRef[]): Finding {
  const { gpu: _, ...shared } = first;
  const others = gpus.slice(1).map(({ index, pci }) => String(index ?? pci));
  const named = others.slice(0, NAMED_MAX).join(', ');
  return {
    ...shared,
    id: ruleOf(first),
    gpus: [...gpus],
    title: `${first.title}; the same on GPU ${named}${others.length > NAMED_MAX ? ' and more' : ''}`,
    evidence: members.slice(0, EVIDENCE_MAX).flatMap(({ evidence }) => evidence.slice(0, 2)),
    counterEvidence: [...new Set(members.flatMap(member => member.counterEvidence))],
  };
}

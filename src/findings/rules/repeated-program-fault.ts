import { plainText } from '../../contract/untrusted.ts';
import { type Clue, findingId, gpuAt, gpuName, type NodeFacts, type Rule } from '../facts.ts';
import {
  countedIn,
  PROGRAM_XIDS,
  type Repeat,
  repeatsIn,
  type Suspect,
  spreadOver,
  suspectOf,
  timesText,
} from '../support/repeats.ts';
import { incidentClue } from './kernel-incidents.ts';

/**
 * XID 13 and 31 are a program's own, until they stay at one place while programs change. On several
 * GPUs they follow the program; again and again on one alone, diagnostics tell who it was.
 */
export const repeatedProgramFault: Rule = facts => {
  const repeats = repeatsIn(facts);
  return PROGRAM_XIDS.flatMap(xid => {
    const spread = spreadOver(repeats, xid);
    if (spread.length > 0) return spreadClue(facts, spread);
    const suspect = suspectOf(facts, repeats, xid);
    return suspect ? suspectClue(facts, suspect) : [];
  });
};

function spreadClue(facts: NodeFacts, repeats: readonly Repeat[]): Clue[] {
  const all = repeats.flatMap(({ bursts }) => bursts.flat());
  const newest = all
    .toSorted((a, b) => (a.firstTime ?? '').localeCompare(b.firstTime ?? ''))
    .at(-1);
  if (!newest) return [];
  const { gpu: _, ...clue } = incidentClue(facts, newest);
  const gpus = repeats.map(({ pci }) => gpuAt(facts, pci));
  const xid = newest.root.xid;
  return [
    {
      ...clue,
      id: findingId(`xid-${xid}-on-several-gpus`),
      gpus,
      title: `${newest.title} on ${gpus.length} GPUs (${gpus.map(({ index, pci }) => index ?? pci).join(', ')}): it follows the program`,
      blame: 'application',
      action: 'restart_app',
      advice:
        'Debug the program (compute-sanitizer, cuda-gdb) before it runs again; a fault on several GPUs is of no one of them.',
      confidence: 'high',
      wouldChange:
        'Different programs on each of these GPUs: then each GPU is a question of its own.',
      evidence: [...repeats.map(repeat => countEvidence(facts, repeat)), ...clue.evidence],
      // That several programs failed on one GPU is no suspicion where other GPUs have the same.
      counterEvidence: [],
    },
  ];
}

function suspectClue(facts: NodeFacts, suspect: Suspect): Clue[] {
  const newest = suspect.bursts.at(-1)?.at(-1);
  if (!newest) return [];
  const { xid, pci, place, programs } = suspect;
  const clue = incidentClue(facts, newest);
  const gpu = gpuAt(facts, pci);
  const where = place ? ` at GPC ${place.gpc}, TPC ${place.tpc}` : '';
  const severalPrograms = programs.length > 1;
  return [
    {
      ...clue,
      id: findingId(`xid-${xid}-same-place`, gpu),
      title: `${newest.title} on ${gpuName(gpu)}${where}, ${suspect.bursts.length} times and on no other GPU`,
      ...(severalPrograms
        ? {
            blame: 'unknown' as const,
            action: 'drain' as const,
            advice:
              'Different programs failed at this place: take work off the GPU and run field diagnostics (dcgmi diag -r 3, NVIDIA’s fieldiag). Where they pass, debug the programs; where they fail, open a case with their report.',
          }
        : {
            advice:
              'Debug the program first (compute-sanitizer). If a program that is known to be good fails here too, run field diagnostics on this GPU (dcgmi diag -r 3, NVIDIA’s fieldiag).',
          }),
      confidence: 'low',
      evidence: [countEvidence(facts, suspect), ...clue.evidence],
      wouldChange:
        'The same fault on another GPU would clear this one; a failed diagnostic would convict it.',
    },
  ];
}

function countEvidence(facts: NodeFacts, { xid, pci, bursts, programs }: Repeat) {
  const named = programs.map(name => plainText(name, 32)).slice(0, 4);
  const by = named.length === 0 ? '' : `, by ${named.join(', ')}`;
  const newest = bursts.at(-1)?.at(-1);
  const times = bursts.length === 1 ? 'once' : timesText(bursts);
  return {
    what: `XID ${xid} at ${pci} came ${times}${by}; ${countedIn(facts)}`,
    source: newest?.source ?? 'kernel log',
    ...(newest?.lastTime ? { time: newest.lastTime } : {}),
    command: `dmesg -T | grep "Xid.*: ${xid},"`,
  };
}

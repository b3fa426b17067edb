import { ACTIONS, type Action, recordTimes } from '../../contract/finding.ts';
import { optional } from '../../contract/optional.ts';
import { shell } from '../../contract/printed-command.ts';
import { plainText } from '../../contract/untrusted.ts';
import { type Clue, findingId } from '../clue.ts';
import { GPU_NAMES, gpuAt, gpuName, type NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';
import { beganWith } from '../support/incident-evidence.ts';
import {
  countedIn,
  isOften,
  isUncured,
  livesWith,
  PROGRAM_XIDS,
  type Repeat,
  repeatsIn,
  type Suspect,
  spreadOver,
  suspectOf,
  timesText,
  withinADay,
} from '../support/repeats.ts';
import { THRESHOLDS } from '../support/thresholds.ts';
import { incidentClue } from './kernel-incidents.ts';

/** The same XID on one GPU again: after each start, many times a day, or at one place of programs. */
export const repeatedXid = rule(
  'repeated-xid',
  {
    gpu: { tells: [...GPU_NAMES] },
    host: { tells: ['bootId', 'pods.allocations', 'pods.checkpoint', 'uptimeSeconds'] },
    log: true,
    history: true,
  },
  facts => [...uncured(facts), ...often(facts), ...ofPrograms(facts)],
);

/**
 * The same fault on the same GPU after two boots or driver loads: a third will not cure it either.
 * The driver's own software is no hardware, so only what is blamed on hardware goes to NVIDIA.
 */
function uncured(facts: NodeFacts): readonly Clue[] {
  return repeatsIn(facts)
    .filter(repeat => isUncured(repeat, facts))
    .flatMap(repeat => {
      const newest = repeat.bursts.at(-1)?.at(-1);
      if (!newest) return [];
      const clue = incidentClue(facts, newest);
      const gpu = gpuAt(facts, repeat.pci);
      const starts = livesWith(repeat, facts) - 1;
      const isHardware = newest.blame === 'hardware';
      return [
        {
          ...clue,
          id: findingId(`xid-${repeat.xid}-not-cured`, gpu),
          ...optional({ began: beganWith(repeat.bursts.flat()) }),
          title: `${newest.title} on ${gpuName(gpu)} came back after each of ${starts} boots or driver loads`,
          // Where it has not come since the last start, that one may have cured it.
          ...(newest.sinceThen === null ? nextStep(isHardware) : {}),
          wouldChange:
            'A part that was changed or reseated between the last of these times and now.',
          evidence: [
            {
              what: `XID ${repeat.xid} came ${timesText(repeat.bursts)}, with ${starts} boots or driver loads between; ${countedIn(facts)}`,
              source: newest.source,
              ...timesOf(repeat.bursts),
              command: 'journalctl -k --list-boots; journalctl -k -g "Xid|loading NVIDIA"',
            },
            ...clue.evidence,
          ],
        },
      ];
    });
}

const nextStep = (isHardware: boolean) =>
  isHardware
    ? {
        action: 'contact_support' as const,
        advice:
          'Do not reboot again: drain the GPU and have its hardware inspected (seat, power and cables, another slot), run field diagnostics, and open a case with nvidia-bug-report and these times.',
      }
    : {
        action: 'drain' as const,
        advice:
          'Do not reboot again: take work off this GPU, compare driver and firmware with a node that is well, and run field diagnostics before it is used.',
      };

/**
 * The same XID again and again on one GPU: what was done about it has not helped, and the next time
 * is a question of hours. One finding for all of them, with the newest one's evidence.
 */
function often(facts: NodeFacts): readonly Clue[] {
  return repeatsIn(facts)
    .filter(repeat => isOften(repeat) && !isUncured(repeat, facts))
    .flatMap(repeat => {
      const bursts = withinADay(repeat);
      const newest = bursts.at(-1)?.at(-1);
      if (!newest) return [];
      const clue = incidentClue(facts, newest);
      const gpu = gpuAt(facts, repeat.pci);
      // A job that is ended leaves XIDs as well (45): only what the machine does takes it out of use.
      const isOfMachine = ['hardware', 'driver', 'fabric'].includes(newest.blame);
      return [
        {
          ...clue,
          id: findingId(`xid-${repeat.xid}-repeated`, gpu),
          ...optional({ began: beganWith(bursts.flat()) }),
          title: `${newest.title} on ${gpuName(gpu)}, ${bursts.length} times in ${THRESHOLDS.xidRepeatHours.value} h`,
          ...(isOfMachine && newest.sinceThen === null
            ? {
                action: heavier(newest.action, 'drain'),
                advice: `Take work off this GPU: it will come again. ${clue.advice} Then run field diagnostics (dcgmi diag -r 3, NVIDIA's fieldiag) before the GPU is used; where they fail, open a case with their report.`,
              }
            : {}),
          wouldChange:
            'Field diagnostics that pass, or a cause outside the GPU that all these times have in common.',
          evidence: [
            {
              what: `XID ${repeat.xid} came ${timesText(bursts)}, a burst of lines once; ${countedIn(facts)}`,
              source: newest.source,
              ...timesOf(bursts),
              command: shell`dmesg -T | grep "Xid.*: ${repeat.xid},"`,
            },
            ...clue.evidence,
          ],
        },
      ];
    });
}

const heavier = (a: Action, b: Action): Action => (ACTIONS.indexOf(a) > ACTIONS.indexOf(b) ? a : b);

/**
 * XID 13 and 31 are a program's own, until they stay at one place while programs change. On several
 * GPUs they follow the program; again and again on one alone, diagnostics tell who it was.
 */
function ofPrograms(facts: NodeFacts): readonly Clue[] {
  const repeats = repeatsIn(facts);
  return PROGRAM_XIDS.flatMap(xid => {
    const spread = spreadOver(repeats, xid);
    if (spread.length > 0) return spreadClue(facts, spread);
    const suspect = suspectOf(facts, repeats, xid);
    return suspect ? suspectClue(facts, suspect) : [];
  });
}

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
      id: `xid-${xid}-on-several-gpus`,
      ...optional({ began: beganWith(all) }),
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
      ...optional({ began: beganWith(suspect.bursts.flat()) }),
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
    ...timesOf(bursts),
    command: shell`dmesg -T | grep "Xid.*: ${xid},"`,
  };
}

const timesOf = (bursts: Repeat['bursts']) =>
  recordTimes(bursts.flat().flatMap(({ firstTime, lastTime }) => [firstTime, lastTime]));

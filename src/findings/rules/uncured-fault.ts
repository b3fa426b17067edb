import { findingId, gpuAt, gpuName, type Rule } from '../facts.ts';
import { countedIn, isUncured, livesWith, repeatsIn, timesText } from '../support/repeats.ts';
import { incidentClue } from './kernel-incidents.ts';

/**
 * The same fault on the same GPU after two boots or driver loads: a third will not cure it either.
 * The driver's own software is no hardware, so only what is blamed on hardware goes to NVIDIA.
 */
export const uncuredFault: Rule = facts =>
  repeatsIn(facts)
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
          title: `${newest.title} on ${gpuName(gpu)} came back after each of ${starts} boots or driver loads`,
          // Where it has not come since the last start, that one may have cured it.
          ...(newest.sinceThen === null ? nextStep(isHardware) : {}),
          wouldChange:
            'A part that was changed or reseated between the last of these times and now.',
          evidence: [
            {
              what: `XID ${repeat.xid} came ${timesText(repeat.bursts)}, with ${starts} boots or driver loads between; ${countedIn(facts)}`,
              source: newest.source,
              ...(newest.lastTime === null ? {} : { time: newest.lastTime }),
              command: 'journalctl -k --list-boots; journalctl -k -g "Xid|loading NVIDIA"',
            },
            ...clue.evidence,
          ],
        },
      ];
    });

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

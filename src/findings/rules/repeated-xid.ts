import { ACTIONS, type Action } from '../../contract/finding.ts';
import { findingId, gpuAt, gpuName, type Rule } from '../facts.ts';
import {
  countedIn,
  isOften,
  isUncured,
  repeatsIn,
  timesText,
  withinADay,
} from '../support/repeats.ts';
import { THRESHOLDS } from '../support/thresholds.ts';
import { incidentClue } from './kernel-incidents.ts';

/**
 * The same XID again and again on one GPU: what was done about it has not helped, and the next time
 * is a question of hours. One finding for all of them, with the newest one's evidence.
 */
export const repeatedXid: Rule = facts =>
  repeatsIn(facts)
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
              ...(newest.lastTime === null ? {} : { time: newest.lastTime }),
              command: `dmesg -T | grep "Xid.*: ${repeat.xid},"`,
            },
            ...clue.evidence,
          ],
        },
      ];
    });

const heavier = (a: Action, b: Action): Action => (ACTIONS.indexOf(a) > ACTIONS.indexOf(b) ? a : b);

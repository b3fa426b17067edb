import { FEW_LINES, type Occurrence } from './ending.ts';
import { isOfTool, isProbe } from './harmless-lines.ts';

/** What a program or its start script only looks for, and does without. */

/** So few lines before the end, counted with its own, it may have been what ended the program. */
const PROBED_LINES = 2;
const passed = ({ ordinary, text }: Occurrence, end: number): boolean =>
  isProbe(text) && end - ordinary > PROBED_LINES;

/** A tool of a start script that failed long before the end ended nothing, and what a program only looks for even less. */
export const withoutProbes = (failures: readonly Occurrence[], end: number) =>
  failures.filter(
    one => !passed(one, end) && (end - one.ordinary <= FEW_LINES || !isOfTool(one.text)),
  );

/** The same of lines with a meaning that alone weigh little. */
export const withoutWeakProbes = (occurrences: readonly Occurrence[], end: number) =>
  occurrences.filter(one => one.weak === undefined || !passed(one, end));

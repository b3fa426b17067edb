import type { Line } from './log-lines.ts';

/**
 * MPICH and what is built from it write `Fatal error in PMPI_Init: Other MPI error, error stack:` and below it who
 * called whom, the innermost last (src/mpi/errhan/errutil.c): that one tells the reason.
 */
const HEADING = /\berror stack:\s*$/;
const FRAME = /^\w{1,80}\(\d{1,6}\)\.{0,80} ?:/;

/** Of each such stack the calls are quiet, and the reason is an error. */
export function withErrorStacks(lines: readonly Line[]): readonly Line[] {
  let isStack = false;
  return lines.map((line, at) => {
    isStack = (isStack && FRAME.test(line.text)) || HEADING.test(line.text);
    if (!isStack || !FRAME.test(line.text)) return line;
    const isCall = FRAME.test(lines[at + 1]?.text ?? '');
    return { ...line, level: isCall ? 'quiet' : 'error' };
  });
}

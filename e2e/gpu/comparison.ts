import type { GpuState } from '../../src/nvml/port.ts';
import { expectedPage, pagesOf } from '../../test/sim-nvml/nvidia-smi-page.ts';

export interface Compared {
  readonly gpu: number;
  readonly line: string;
  readonly is: 'same' | 'different' | 'only theirs' | 'only ours';
  readonly theirs?: string | undefined;
  readonly ours?: string | undefined;
}

/** Each line of `nvidia-smi -q` beside what our readings would print. */
export function compared(page: string, gpus: readonly GpuState[]): Compared[] {
  const pages = pagesOf(page);
  return gpus.flatMap((state, gpu) => {
    const theirs = pages[gpu] ?? {};
    const ours = expectedPage(state);
    const lines = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])];
    return lines.map(line => {
      const both = { theirs: theirs[line], ours: ours[line] };
      return { gpu, line, is: relation(both.theirs, both.ours), ...both };
    });
  });
}

function relation(theirs: string | undefined, ours: string | undefined): Compared['is'] {
  if (theirs === undefined) return 'only ours';
  if (ours === undefined) return 'only theirs';
  return theirs === ours ? 'same' : 'different';
}

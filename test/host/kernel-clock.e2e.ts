import { expect, test } from 'vitest';
import { known } from '../../src/contract/reading.ts';
import { readKernelClock, TIMEX } from '../../src/host/kernel-clock.ts';
import { runWithNvmlHeader } from '../sim-nvml/build.ts';

/** Prints the C library's own layout, and what it tells of this machine's clock. */
const PROGRAM = `
#include <stddef.h>
#include <stdio.h>
#include <sys/timex.h>
int main(void) {
  struct timex t = {0};
  adjtimex(&t);
  printf("%zu %zu %zu %ld\\n", sizeof t, offsetof(struct timex, modes),
         offsetof(struct timex, maxerror), t.maxerror);
  return 0;
}
`;

test('struct timex is as the C library has it, and the clock as a C program reads it', async () => {
  const numbers = (await runWithNvmlHeader(PROGRAM)).trim().split(' ').map(Number);
  expect(numbers.slice(0, 3)).toEqual([TIMEX.byteSize, TIMEX.modes, TIMEX.maxerror]);
  const clock = known(await readKernelClock());
  // The bound grows by 500 microseconds in a second, and shrinks when the time daemon measures.
  expect(clock?.synchronized).toBe((numbers[3] ?? 0) < 16_000_000);
  expect(clock?.maximumErrorMicroseconds).toBeGreaterThanOrEqual(0);
});

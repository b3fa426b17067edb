import { expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import { readKernelClock, TIMEX } from '../../src/host/kernel-clock.ts';

/** A kernel that fills in its error, and keeps what it was asked with. */
const kernel = (maximum: bigint) => {
  const asked: Buffer[] = [];
  const load = async () => (timex: Buffer) => {
    asked.push(Buffer.from(timex));
    timex.writeBigInt64LE(maximum, TIMEX.maxerror);
    return 0;
  };
  return { load, asked };
};

test.each([
  ['bounded', 31_250n, true],
  ['at the kernel’s limit', 16_000_000n, false],
])('an error that is %s', async (_, maximum, synchronized) => {
  expect(await readKernelClock(kernel(maximum).load)).toEqual(
    present({
      synchronized,
      maximumErrorMicroseconds: Number(maximum),
    }),
  );
});

test('the kernel is asked to change nothing', async () => {
  const { load, asked } = kernel(1n);
  await readKernelClock(load);
  expect(asked).toEqual([Buffer.alloc(TIMEX.byteSize)]);
});

test('what refuses says why', async () => {
  const refused = async () => () => {
    throw Object.assign(new Error('adjtimex failed'), { code: 'EPERM' });
  };
  expect(await readKernelClock(refused)).toEqual(missing('no_permission', 'EPERM'));
});

import type { Koffi } from './raw-library.ts';

const ROUNDS = 5;
const OTHERS = 200;

/**
 * Whether the two calls that read the board's flash let others through: milliseconds of each alone, of
 * both in threads of their own, of many other calls alone, and of these beside one of the two.
 */
export async function overlappedCalls(
  koffi: Koffi,
  library: string,
): Promise<Readonly<Record<string, readonly number[]>>> {
  const nvml = koffi.load(library);
  nvml.func('nvmlInit_v2', 'int', [])();
  const found = Buffer.alloc(8);
  nvml.func('nvmlDeviceGetHandleByIndex_v2', 'int', ['uint32_t', 'void *'])(0, found);
  const gpu = found.readBigUInt64LE();
  const validate = nvml.func('nvmlDeviceValidateInforom', 'int', ['void *']);
  const checksum = nvml.func('nvmlDeviceGetInforomConfigurationChecksum', 'int', [
    ...['void *', 'void *'],
  ]);
  const power = nvml.func('nvmlDeviceGetPowerUsage', 'int', ['void *', 'void *']);
  const output = Buffer.alloc(8);
  const inThread = (call: typeof validate, ...values: readonly unknown[]) =>
    new Promise<void>(resolve => call.async(...values, () => resolve()));
  const others = () => {
    for (let turn = 0; turn < OTHERS; turn++) power(gpu, output);
  };
  return {
    validate: await timesOf(() => inThread(validate, gpu)),
    checksum: await timesOf(() => inThread(checksum, gpu, output)),
    'validate beside checksum': await timesOf(() =>
      Promise.all([inThread(validate, gpu), inThread(checksum, gpu, output)]),
    ),
    [`${OTHERS} readings of the power`]: await timesOf(others),
    'the same beside validate': await timesOf(() => {
      const validated = inThread(validate, gpu);
      others();
      return validated;
    }),
  };
}

async function timesOf(work: () => unknown): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = performance.now();
    await work();
    times.push(Math.round((performance.now() - before) * 10) / 10);
  }
  return times;
}

/** The part of koffi that the check calls with. */
export type Koffi = Pick<typeof import('koffi'), 'load' | 'address'>;

/** One call of the driver's library as it answered: no reading, no interpretation. */
export interface RawCall {
  readonly symbol: string;
  readonly inputs: readonly (number | string)[];
  /** nvmlReturn_t; null where the library has no such symbol. */
  readonly code: number | null;
  readonly microseconds: number;
  /** The output's bytes without the zeros at its end. */
  readonly hex: string;
  readonly uint32?: number;
}

export type Native = (...values: readonly (bigint | number | Buffer)[]) => number;

export const LINKS = Array.from({ length: 18 }, (_, link) => link);
const REPEATS = 5;

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** The median time of some calls, and what the last gave. */
export function timed<T>(call: () => T): { readonly microseconds: number; readonly value: T } {
  const times: number[] = [];
  for (let turn = 1; ; turn++) {
    const before = process.hrtime.bigint();
    const value = call();
    times.push(Number(process.hrtime.bigint() - before) / 1000);
    if (turn === REPEATS) return { microseconds: Math.round(median(times) * 10) / 10, value };
  }
}

export interface RawLibrary {
  call(symbol: string, inputs: readonly (bigint | number | Buffer)[], output: Buffer): RawCall;
  native(symbol: string, types: readonly string[]): Native | undefined;
}

export function rawLibrary(koffi: Koffi, path: string): RawLibrary {
  const handle = koffi.load(path);
  const native = (symbol: string, types: readonly string[]): Native | undefined => {
    try {
      return handle.func(symbol, 'int', [...types]);
    } catch {
      return undefined;
    }
  };
  return {
    native,
    call(symbol, inputs, output) {
      const types = inputs.map(input => (typeof input === 'number' ? 'uint32_t' : 'void *'));
      const found = native(symbol, [...types, 'void *']);
      const told = inputs.map(input =>
        typeof input === 'number'
          ? input
          : Buffer.isBuffer(input)
            ? input.toString('hex')
            : 'handle',
      );
      if (!found) return { symbol, inputs: told, code: null, microseconds: 0, hex: '' };
      const empty = Buffer.from(output);
      const { microseconds, value: code } = timed(() => {
        empty.copy(output);
        return found(...inputs, output);
      });
      const hex = output.toString('hex').replace(/(00)+$/, '');
      const uint32 = output.readUInt32LE();
      return { symbol, inputs: told, code, microseconds, hex, uint32 };
    },
  };
}

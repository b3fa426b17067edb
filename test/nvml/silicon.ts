import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { missing, type Reading } from '../../src/contract/reading.ts';
import type { Native } from '../../src/nvml/library/arguments.ts';
import { callNative } from '../../src/nvml/library/outputs.ts';
import { type NvmlLibrary, typedLibrary } from '../../src/nvml/table/calls.ts';
import type { NvmlFunction } from '../../src/nvml/table/shapes.ts';

/** What a driver answered on real silicon: test/fixtures/silicon, each folder with its README. */
const Recorded = z.object({
  /** The field beside which others are left unwritten, and those. */
  silencer: z.int(),
  silenced: z.array(z.int()),
  /** `id` or `id scope`: nvmlValueType_t, nvmlReturn_t, and the union's bytes, none where unwritten. */
  fields: z.record(z.string(), z.tuple([z.int(), z.int(), z.string()])),
  /** The symbol with its numbers: nvmlReturn_t, and the output's bytes without the zeros at its end. */
  calls: z.record(z.string(), z.tuple([z.int(), z.string()])),
  /** By our names: what our own caller made of a call with the first member of each enumeration. */
  values: z.record(z.string(), z.custom<Reading<unknown>>()),
});
type Recorded = z.infer<typeof Recorded>;

const HANDLE = 0x10n;

/** A driver that writes the bytes which real silicon wrote. */
export function siliconLibrary(name: string): NvmlLibrary {
  const file = new URL(`../fixtures/silicon/${name}/nvml.json`, import.meta.url);
  const recorded = Recorded.parse(JSON.parse(readFileSync(file, 'utf8')));
  return typedLibrary((call, row, inputs) => {
    if (call === 'init' || call === 'shutdown') return { ok: true, value: true };
    if (call === 'deviceGetHandleByIndex') return { ok: true, value: HANDLE };
    if (row.output.kind === 'fields') return callNative(fieldsOf(recorded), row, inputs, noAddress);
    const native = nativeOf(recorded, row);
    if (native) return callNative(native, row, inputs, noAddress);
    return recorded.values[call] ?? missing('function_not_found');
  });
}

/** Where buffers lie: nothing that was recorded byte by byte points to one. */
const noAddress = (): bigint => 0n;

function nativeOf({ calls }: Recorded, row: NvmlFunction): Native | undefined {
  const symbol = row.symbols.find(name =>
    Object.keys(calls).some(key => key.split(' ')[0] === name),
  );
  if (symbol === undefined) return undefined;
  return (...given) => {
    const [output] = given.filter(value => Buffer.isBuffer(value));
    const numbers = given.filter(value => typeof value === 'number');
    // Structs of several versions have one symbol: the version's byte stands fourth.
    const version = row.output.kind === 'struct' && symbol.endsWith('V') ? [output?.[3]] : [];
    const [code, hex] = calls[[symbol, ...numbers, ...version].join(' ')] ?? [NOT_FOUND, ''];
    if (code === 0 && output) Buffer.from(hex, 'hex').copy(output.fill(0));
    return code;
  };
}

const NOT_FOUND = 6;
/** nvmlFieldValue_t. */
const ENTRY = { bytes: 40, scope: 4, type: 24, code: 28, value: 32 } as const;

const fieldsOf =
  ({ fields, silencer, silenced }: Recorded): Native =>
  (...given) => {
    const entries = given.find(value => Buffer.isBuffer(value)) ?? Buffer.alloc(0);
    const asked = Array.from({ length: entries.length / ENTRY.bytes }, (_, place) =>
      entries.subarray(place * ENTRY.bytes, (place + 1) * ENTRY.bytes),
    );
    const isSilent = asked.some(entry => entry.readUInt32LE() === silencer);
    for (const entry of asked) {
      const id = entry.readUInt32LE();
      if (isSilent && silenced.includes(id)) continue;
      const scope = entry.readUInt32LE(ENTRY.scope);
      const key = scope === 0 ? `${id}` : `${id} ${scope}`;
      const [type, code, hex] = fields[key] ?? [undefined, 3, ''];
      if (type !== undefined) entry.writeUInt32LE(type >>> 0, ENTRY.type);
      entry.writeUInt32LE(code, ENTRY.code);
      Buffer.from(hex, 'hex').copy(entry, ENTRY.value);
    }
    return 0;
  };

import { expect, test } from 'vitest';
import table from '../../src/findings/support/instance-types.json' with { type: 'json' };
import {
  INSTANCE_TYPE_SOURCES,
  InstanceType,
  instanceType,
  isProductOf,
} from '../../src/findings/support/instance-types.ts';

test('every row has its form, stands once and names sources that are listed', () => {
  const names = table.entries.map(({ type }) => type.toLowerCase());
  expect(new Set(names).size).toBe(names.length);
  for (const row of table.entries) {
    expect(InstanceType.parse(row)).toEqual(row);
    expect(row.source.filter(key => !(key in INSTANCE_TYPE_SOURCES))).toEqual([]);
  }
  const used = new Set(table.entries.flatMap(({ source }) => source));
  expect(Object.keys(INSTANCE_TYPE_SOURCES).filter(key => !used.has(key))).toEqual([]);
});

test.each([
  ['p5.48xlarge', 8, 'NVIDIA H100 80GB HBM3'],
  ['p4de.24xlarge', 8, 'NVIDIA A100-SXM4-80GB'],
  ['p6e-gb200.36xlarge', 4, 'NVIDIA GB200'],
  ['g4dn.12xlarge', 4, 'Tesla T4'],
  ['g5.48xlarge', 8, 'NVIDIA A10G'],
  ['a3-megagpu-8g', 8, 'NVIDIA H100 80GB HBM3'],
  ['g2-standard-24', 2, 'NVIDIA L4'],
  ['standard_nd96isr_h200_v5', 8, 'NVIDIA H200'],
  ['Standard_NC24rs_v3', 4, 'Tesla V100-PCIE-16GB'],
])('a %s has %i of %s', (name, gpus, product) => {
  const type = instanceType(name);
  expect(type?.gpus).toBe(gpus);
  expect(type && isProductOf(type, [product])).toBe(true);
});

test.each([
  ['g6.xlarge', 'NVIDIA L40S'],
  ['a4-highgpu-8g', 'NVIDIA GB200'],
  ['p5.48xlarge', 'NVIDIA H200'],
])('a %s has no %s', (name, product) => {
  const type = instanceType(name);
  expect(type && isProductOf(type, [product])).toBe(false);
});

test('a type that is not listed, or none, is not guessed', () => {
  expect([instanceType('m7i.large'), instanceType('constructor'), instanceType(undefined)]).toEqual(
    [undefined, undefined, undefined],
  );
});

import { expect, test } from 'vitest';
import * as z from 'zod';
import { NAMES } from '../../src/contract/names-in-text.ts';
import { missing } from '../../src/contract/reading.ts';
import { isGroup } from '../../src/contract/reading-schema.ts';
import { partsOf } from '../../src/contract/schema-parts.ts';
import { DRIVER, fieldsAt, GPU, labelOf, type Row, unread } from '../../src/nvml/readings.ts';

/** Every row, with those that it is made of, by its place. */
const rowsIn = (rows: Readonly<Record<string, Row>>, before = ''): [string, Row][] =>
  Object.entries(rows).flatMap(([name, row]) => [
    [before + name, row],
    ...rowsIn(row.members ?? {}, `${before}${name}.`),
  ]);
const all = [...rowsIn(GPU), ...rowsIn(DRIVER)];

test.each(all)('%s has a word for people, alone or member by member', (_path, row) => {
  const labels = isGroup(row.schema)
    ? Object.values(row.members ?? {}).map(({ label }) => label)
    : [row.label];
  for (const label of labels) expect(label).toMatch(/^[A-Za-z][\w.’ -]{1,40}$/);
});

test('a word is found by the place of a reading in the state, through lists', () => {
  expect(
    ['remappedRows', 'thermal.marginC', 'nvlinks.links.errors.replay', 'c2c', 'voltage'].map(
      labelOf,
    ),
  ).toEqual(['row remap', 'temperature margin', 'NVLink errors', 'C2C', undefined]);
});

test('identity, memory and heat are read before what tells why, whatever stands where', () => {
  const { gpu } = fieldsAt('all', ['gpm']);
  expect(gpu.slice(0, 10)).toEqual([
    ...['handle', 'name', 'uuid', 'serial', 'pci', 'minorNumber', 'vbios'],
    ...['memory', 'bar1', 'temperatureC'],
  ]);
  expect(gpu.indexOf('processes')).toBeLessThan(gpu.indexOf('nvlinks'));
  expect(gpu.at(-1)).toBe('gpm');
  expect(fieldsAt('first').gpu).not.toContain('nvlinks');
  expect(fieldsAt('all').gpu).not.toContain('migProfiles');
});

test('a second look compares counters and what holds the clocks down', () => {
  expect(fieldsAt('counters')).toEqual({
    driver: ['library', 'initialized', 'count'],
    gpu: [
      ...['handle', 'clocksEventReasons', 'eccCorrectedVolatile', 'pcieReplayCounter'],
      ...['violations', 'pcieCounters', 'nvlinks', 'c2c'],
    ],
  });
});

test('a live view takes what changes from one moment to the next', () => {
  expect(fieldsAt('now')).toEqual({
    driver: ['library', 'initialized', 'count'],
    gpu: [
      ...['handle', 'memory', 'temperatureC', 'powerUsageMw', 'smClockMhz', 'memoryClockMhz'],
      ...['gpuUtilizationPercent', 'memoryUtilizationPercent', 'clocksEventReasons', 'processes'],
    ],
  });
});

test('a group that was not read says so of each of its members', () => {
  const timeout = missing('timeout');
  expect(unread('uuid', timeout)).toEqual(timeout);
  expect(unread('gsp', timeout)).toEqual({ firmwareVersion: timeout, firmwareMode: timeout });
});

/** Every schema of a text in a schema. */
const textsIn = (schema: z.ZodType): z.ZodType[] =>
  schema instanceof z.ZodString ? [schema] : partsOf(schema).flatMap(textsIn);

test.each(all)('%s holds no name that a person gave', (_path, { schema }) => {
  for (const text of textsIn(schema)) expect(NAMES.get(text)).toEqual({ of: 'nobody' });
});

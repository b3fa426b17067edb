import { expect, test } from 'vitest';
import { namedGpus } from '../../src/findings/support/named-gpus.ts';
import table from '../../src/findings/support/platform-words.json' with { type: 'json' };
import {
  PLATFORM_SOURCES,
  PlatformWord,
  platformWord,
} from '../../src/findings/support/platform-words.ts';

const WORDS = table.entries.map(row => PlatformWord.parse(row));

test('every word has its source, and every source a word', () => {
  const used = new Set(WORDS.map(({ source }) => source));
  expect([...used].toSorted()).toEqual(Object.keys(PLATFORM_SOURCES).toSorted());
});

test.each(WORDS)('$on $key $value is found by itself', word => {
  const { on, key, value, from } = word;
  const found = platformWord(on, key, {
    ...(value !== undefined && { value }),
    ...(from !== undefined && { from }),
  });
  expect(found).toEqual(word);
});

test.each(WORDS)('$on $key $value says what its kind needs', ({ on, bad, says, does, ...word }) => {
  expect(bad !== undefined).toBe(on === 'condition' || on === 'claim');
  // What only believes has the condition's own words.
  expect(says === '').toBe(does === 'believes');
  expect(word.repairAfterMinutes === undefined || does === 'believes').toBe(true);
  expect(says).not.toMatch(/GPU/);
});

test('a word of another place, value or writer is none', () => {
  expect(platformWord('label', 'karpenter.sh/disrupted')).toBeUndefined();
  expect(platformWord('event', 'SpotInterrupted', { from: 'somebody' })).toBeUndefined();
  expect(platformWord('event', 'SpotInterrupted')).toBeUndefined();
  expect(
    platformWord('label', 'cloud.google.com/perform-maintenance', { value: 'false' }),
  ).toBeUndefined();
});

test('a GPU is named in a message by its number, its address or its UUID', () => {
  const uuid = 'GPU-2d72d83a-c8c8-0fa5-6921-dc0421b95c56';
  const messages = ['GPU:12 PCI:0000:3B:00 fell off', `GPU_UUID:${uuid}`, 'GPU:12 PCI:0000:3b:00'];
  expect(namedGpus(messages)).toEqual([{ index: 12, pci: '0000:3b:00' }, { uuid }]);
  expect(namedGpus(['NGPU:3', 'GPU:1234', 'no GPU is named'])).toEqual([]);
});

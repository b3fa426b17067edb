import { expect, test } from 'vitest';
import { sendThrough } from '../../src/nvml/child/child.ts';
import type { ChildMessage } from '../../src/nvml/messages.ts';

const call = (name: string, gpu = 0): ChildMessage => ({
  kind: 'call',
  call: name,
  gpu,
  opens: false,
});
const reading: ChildMessage = {
  kind: 'gpu',
  id: 1,
  gpu: 0,
  field: 'minorNumber',
  reading: { ok: true, value: 0 },
};
const done: ChildMessage = { kind: 'done', id: 1 };

/** What is written for these messages, write by write. */
function written(messages: readonly ChildMessage[]): ChildMessage[][] {
  const writes: ChildMessage[][] = [];
  const tell = sendThrough(bytes => {
    const lines = bytes.toString('utf8').split('\n').filter(Boolean);
    writes.push(lines.map(line => JSON.parse(line)));
  });
  for (const message of messages) tell(message);
  return writes;
}

test('a reading is told with the next call, before that call begins', () => {
  expect(written([call('a'), reading, call('b'), reading, done])).toEqual([
    [call('a')],
    [reading, call('b')],
    [reading, done],
  ]);
});

test('in a series of equal calls every eighth is told', () => {
  const series = Array.from({ length: 18 }, () => call('link'));
  expect(written([...series, call('other'), done])).toEqual([
    [call('link')],
    [call('link')],
    [call('link')],
    [call('other')],
    [done],
  ]);
});

test('an equal call that follows a reading is told, so that the reading is', () => {
  expect(written([call('ecc'), reading, call('ecc'), reading, call('ecc', 1)])).toEqual([
    [call('ecc')],
    [reading, call('ecc')],
    [reading, call('ecc', 1)],
  ]);
});

test('the first call of a request is told, though it be the last of the one before', () => {
  expect(written([call('p2p'), done, call('p2p'), done])).toEqual([
    [call('p2p')],
    [done],
    [call('p2p')],
    [done],
  ]);
});

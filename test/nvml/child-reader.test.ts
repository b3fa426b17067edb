import { expect, test } from 'vitest';
import { ChildReader } from '../../src/nvml/child/child-reader.ts';
import type { NvmlProcess } from '../../src/nvml/child/hosted.ts';
import type { ChildMessage } from '../../src/nvml/messages.ts';
import { VirtualTime } from '../simulation/in-process.ts';

/** A child whose words the test puts into its mouth. */
function child() {
  const time = new VirtualTime();
  const stalls: number[] = [];
  let say: (message: ChildMessage) => void = () => {};
  let killed = false;
  const process: NvmlProcess = {
    listen: ({ onMessage }) => {
      say = onMessage;
    },
    send: () => {},
    retire: () => {},
    kill: () => {
      killed = true;
    },
  };
  const reader = new ChildReader(process, time, {
    onMessage: () => {},
    onStall: waitedMs => stalls.push(waitedMs),
    onEnd: () => {},
  });
  reader.ask({
    id: 1,
    takenAtMs: 0,
    had: { driver: [], gpus: {} },
    skip: [],
    last: [],
    depth: 'all',
  });
  return { reader, time, stalls, say: (m: ChildMessage) => say(m), isKilled: () => killed };
}
const opening: ChildMessage = { kind: 'call', call: 'nvmlInit_v2', opens: true };
const reading: ChildMessage = { kind: 'call', call: 'nvmlDeviceGetName', gpu: 0, opens: false };

test('a call has two seconds, one that opens a GPU four, each from its own begin', () => {
  const { time, stalls, say } = child();
  say(opening);
  time.pass(3_999);
  say(reading);
  time.pass(1_999);
  expect(stalls).toEqual([]);
  time.pass(1);
  expect(stalls).toEqual([2_000]);
});

test('a child that was set aside counts again when it says something, and is not killed', () => {
  const { reader, time, say, isKilled } = child();
  say(opening);
  reader.setAside(26_000);
  expect(reader.isUsable).toBe(false);
  say(reading);
  expect(reader.isUsable).toBe(true);
  say({ kind: 'done', id: 1 });
  time.pass(60_000);
  expect({ killed: isKilled(), idle: reader.isIdle }).toEqual({ killed: false, idle: true });
});

test('a child that was set aside and stays silent is killed in the end', () => {
  const { reader, time, say, isKilled } = child();
  say(opening);
  reader.setAside(26_000);
  time.pass(25_999);
  expect(isKilled()).toBe(false);
  time.pass(1);
  expect(isKilled()).toBe(true);
});

test('words of a child that was killed no longer count', () => {
  const { reader, say } = child();
  say(reading);
  reader.kill();
  say({ kind: 'done', id: 1 });
  expect(reader.isUsable).toBe(false);
});

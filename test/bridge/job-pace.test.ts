import { expect, test, vi } from 'vitest';
import { paceAt } from '../../src/bridge/ask-apart.ts';
import { meetingOf } from '../../src/bridge/ask-job.ts';
import { sentFacts } from '../../src/mcp/results.ts';
import { aNode } from '../fakes/wire.ts';

test('nodes are looked at when all of them have come', async () => {
  const meeting = meetingOf(['a', 'b']);
  const began: string[] = [];
  const first = meeting.come('a').then(() => began.push('a'));
  await Promise.resolve();
  expect(began).toEqual([]);
  await meeting.come('b');
  await first;
  expect(began).toEqual(['a']);
});

test('a node that does not answer is waited for by nobody', async () => {
  const meeting = meetingOf(['a', 'b']);
  const first = meeting.come('a');
  meeting.leave('b');
  expect(await first).toBe(true);
});

test('who comes too late is left out, and keeps nobody waiting', async () => {
  vi.useFakeTimers();
  try {
    const meeting = meetingOf(['a', 'b'], 1_000);
    const first = meeting.come('a');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await first).toBe(true);
    expect(await meeting.come('b')).toBe(false);
  } finally {
    vi.useRealTimers();
  }
});

test('what an agent says of its pace is made plain, as every answer of it', async () => {
  const nic = { nic: 'mlx5\u001b[31m_0', port: 1, grew: {} };
  const pace = { from: '', to: '', looks: 1, gpus: [], nics: [nic] };
  const session = { ...aNode().node, call: async () => sentFacts(pace, {}) };
  const beside = { signal: new AbortController().signal, onProgress: () => {} };
  const [told] = (await paceAt(session, beside)).nics;
  expect(told?.nic).not.toContain('\u001b');
  expect(told?.nic).toContain('_0');
});

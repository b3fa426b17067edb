import { expect, test } from 'vitest';
import { loadXz } from '../../src/kernel-log/load-xz.ts';
import { createNodePodHistory } from '../../src/kernel-log/pod-history.ts';
import type { Span } from '../../src/kernel-log/port.ts';
import { tree, unpacked } from './support.ts';

const at = (time: string) => Date.parse(`2026-03-01T${time}Z`);
const DAY: Span = { sinceMs: at('00:00:00'), untilMs: at('23:00:00') };
const ID = `${'a'.repeat(63)}1`;
const LIFE = {
  source: 'service_log',
  podUid: '11111111-2222-4333-8444-555555555555',
  namespace: 'team-a',
  pod: 'train-0',
  container: 'main',
  containerId: ID,
  pid: 4711,
  startedMs: at('09:00:02'),
  endedMs: at('11:50:10.503'),
  exitCode: 137,
};

const read = (files: Record<string, Buffer | string>, spans: readonly Span[] = [DAY]) =>
  createNodePodHistory({ root: tree(files), nowMs: () => at('12:00:00'), loadXz }).read(
    spans,
    new AbortController().signal,
  );

const JOURNAL = { 'var/log/journal/m/system.journal': unpacked('services.journal.gz') };

test('a journal tells a container’s life by the lines of its units, and no other unit’s', async () => {
  const { lives, coverage } = await read(JOURNAL);
  expect(lives).toEqual([LIFE]);
  expect(coverage).toEqual([
    {
      source: '/var/log/journal (kubelet and container runtime)',
      available: true,
      from: '2026-03-01T09:00:00.000Z',
      to: '2026-03-01T11:50:11.000Z',
      records: 67,
      ...{ lost: 0, untrusted: 0, malformed: 0, notes: [] },
    },
    expect.objectContaining({ available: false, unavailable: 'not_found' }),
  ]);
});

test('of a span only its entries are read', async () => {
  const span = { sinceMs: at('11:50:00'), untilMs: at('11:51:00') };
  const { lives, coverage } = await read(JOURNAL, [span]);
  expect(coverage[0]).toMatchObject({ records: 2, from: '2026-03-01T11:50:10.000Z' });
  const { startedMs: _, container: __, ...end } = LIFE;
  expect(lives).toEqual([end]);
});

test('a span in which no journal was written is read of no file', async () => {
  const span = { sinceMs: at('15:00:00'), untilMs: at('16:00:00') };
  expect((await read(JOURNAL, [span])).coverage[0]).toMatchObject({ records: 0, available: true });
});

test('without a journal the syslog tells the same, by the tags of these programs alone', async () => {
  const id = 'b'.repeat(64);
  const pleg = (type: string) =>
    `"SyncLoop (PLEG): event for pod" pod="team-a/train-0" event={"ID":"${LIFE.podUid}","Type":"${type}","Data":"${id}"}`;
  const lines = [
    `2026-03-01T09:00:03.000000+00:00 host kubelet[1200]: I0301 09:00:03.1    1200 kubelet.go:2639] ${pleg('ContainerStarted')}`,
    `2026-03-01T10:00:03.000000+00:00 host logger[77]: I0301 10:00:03.1    1200 kubelet.go:2639] ${pleg('ContainerDied')}`,
    `2026-03-01T11:50:11.000000+00:00 host kubelet[1200]: I0301 11:50:11.1    1200 kubelet.go:2639] ${pleg('ContainerDied')}`,
  ];
  const { lives, coverage } = await read({ 'var/log/syslog': `${lines.join('\n')}\n` });
  expect(lives).toEqual([
    {
      source: 'service_log',
      containerId: id,
      ...{ podUid: LIFE.podUid, namespace: 'team-a', pod: 'train-0' },
      startedMs: at('09:00:03'),
      endedMs: at('11:50:11'),
    },
  ]);
  expect(coverage.find(({ available }) => available)).toMatchObject({
    source: '/var/log/syslog (kubelet and container runtime)',
    untrusted: 0,
  });
});

test('a journal whose index is cut off says so, and what it still leads to is told', async () => {
  const bytes = unpacked('services.journal.gz').subarray(0, 40_000);
  const { lives, coverage } = await read({ 'var/log/journal/m/system.journal': bytes });
  expect(lives).toEqual([]);
  expect(coverage[0]).toMatchObject({
    ...{ records: 0, malformed: 1 },
    notes: [
      '/var/log/journal/m/system.journal is cut or damaged: lines of these services may be missing',
    ],
  });
});

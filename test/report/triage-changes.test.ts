import { expect, test } from 'vitest';
import { changeLine, changesOf, type WatchedNode } from '../../src/report/triage-changes.ts';

const finding = (id: string, severity: 'critical' | 'warning' = 'critical') => ({
  ...{ id, severity, title: `${id} is wrong` },
  action: 'drain' as const,
});
const node = (
  verdict: 'healthy' | 'critical',
  findings: ReturnType<typeof finding>[] = [],
  events: WatchedNode['events'] = [],
): WatchedNode => ({ facts: { verdict, findings }, events });
const XID = { time: '2026-03-01T11:59:58.4Z', gpu: 'GPU 3', code: 'XID 79', what: 'fell off' };

const said = (before: WatchedNode, now: WatchedNode) =>
  changesOf(before, now).map(change => changeLine('2026-03-01T12:00:00Z', 'node-1', change));

test('what stays as it is is no change', () => {
  const same = node('critical', [finding('a')], [XID]);
  expect(changesOf(same, structuredClone(same))).toEqual([]);
});

test('a verdict, what is new, worse, better and gone, and what the kernel says are a line each', () => {
  const before = node('healthy', [finding('b', 'warning'), finding('c'), finding('d')]);
  const now = node('critical', [finding('a'), finding('b'), finding('c', 'warning')], [XID]);
  expect(said(before, now)).toEqual([
    '12:00:00  node-1  verdict healthy -> critical',
    '12:00:00  node-1  kernel at 11:59:58: GPU 3 XID 79 fell off',
    '12:00:00  node-1  new critical: a is wrong',
    '12:00:00  node-1  worse critical: b is wrong',
    '12:00:00  node-1  better warning: c is wrong',
    '12:00:00  node-1  gone critical: d is wrong',
  ]);
});

test('what the kernel repeats is told again, with its count', () => {
  const again = [{ ...XID, count: 2 }];
  expect(said(node('critical', [], [XID]), node('critical', [], again))).toEqual([
    '12:00:00  node-1  kernel at 11:59:58: GPU 3 XID 79 fell off, 2 times',
  ]);
});

test('what a node sends stays on its line', () => {
  const what = 'a\u001b[2J\nnode-1  verdict healthy';
  const [line = ''] = said(node('healthy'), node('healthy', [], [{ ...XID, what }]));
  expect(line).not.toMatch(/\p{Cc}/u);
});

import { expect, test } from 'vitest';
import { askSession } from '../../src/bridge/ask-session.ts';
import { plainData, plainText } from '../../src/contract/untrusted.ts';
import { escapedFrom, HOSTILE, unseenIn } from './hostile.ts';
import { ASKED, type Liar, taintedSession, taintsOf } from './tainted.ts';

test('a text made plain is one line of letters that can be seen', () => {
  for (const [what, words] of HOSTILE) {
    const plain = plainText(`a${words}b`, 4_096);
    expect(unseenIn(plain), what).toEqual([]);
    expect(plain, what).not.toContain('\n');
    expect(plain, what).toMatch(/^a.*b$/);
  }
});

test('what is plain stays as it is: letters of any script, signs and their two marks', () => {
  for (const text of [
    'a',
    'NVIDIA H100 80GB HBM3',
    'Größe',
    'ngữ',
    '日本語',
    'ไทย',
    '5 °C ±1',
    '😀',
  ])
    expect(plainText(text)).toBe(text);
});

test('data is made plain with its keys, and what lies too deep is left out', () => {
  expect(plainData({ 'a\u0007b': ['\u202ec', 1, null, true] })).toEqual({
    'a b': ['c', 1, null, true],
  });
  const deep = JSON.parse(`${'{"a":'.repeat(40)}1${'}'.repeat(40)}`);
  expect(JSON.stringify(plainData(deep))).toBe(`${'{"a":'.repeat(31)}{}${'}'.repeat(31)}`);
});

test('a command that does what a name wants is found', () => {
  const bad = ['df -h /x;touch pwned', 'kubectl get node "$(touch pwned)"', 'ls x\ntouch pwned'];
  const good = ["df -h '/x;touch pwned'", "kubectl get node 'a$(touch pwned)'"];
  expect(escapedFrom([...good, ...bad])).toEqual(bad);
});

/** What a terminal obeys, what a model alone reads, what a shell obeys. */
const SOME = HOSTILE.filter(([what]) => /^(?:colours|tags|a command of)/.test(what))
  .map(([, words]) => words)
  .join(' ');

test.each<Liar>(['node', 'agent'])('words of a hostile %s reach nobody', async liar => {
  const session = taintedSession('job-lost-gpu', SOME, liar);
  for (const tool of ASKED) expect(await taintsOf(session, tool, liar)).toEqual([]);
  await session.close();
});

/** What every machine's node, driver or cluster says shows in each answer: they are what is looked at. */
test('words that do no harm stand in the answers', async () => {
  const session = taintedSession('job-lost-gpu', 'zz-harmless', 'node');
  const { signal } = new AbortController();
  const silent: string[] = [];
  for (const tool of ASKED) {
    const answer = await askSession(session, tool.question({}), { signal, onProgress: () => {} });
    if (!JSON.stringify(answer.structured).includes('zz-harmless')) silent.push(tool.name);
  }
  expect(silent).toEqual([]);
  await session.close();
});

import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { afterAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { POLICY, QUESTIONS, withClient } from './questions.ts';

/** The beginning of a text that a model has read by then. */
function firstTokens(text: string, max: number): string {
  if (countTokens(text) <= max) return text;
  let [low, high] = [0, text.length];
  while (high - low > 8) {
    const middle = Math.floor((low + high) / 2);
    if (countTokens(text.slice(0, middle)) <= max) low = middle;
    else high = middle;
  }
  return text.slice(0, low);
}

const tally = { calls: 0, tokens: 0 };
afterAll(() => {
  process.stderr.write(
    `${QUESTIONS.length} questions, ${tally.calls} calls, ${tally.tokens} tokens of text\n`,
  );
});

test('there are forty questions or more, and no two are one', () => {
  expect(QUESTIONS.length).toBeGreaterThanOrEqual(40);
  expect(new Set(QUESTIONS.map(({ question }) => question)).size).toBe(QUESTIONS.length);
  // Those of users of dcgm-exporter, the device plugin and the operator say where they were asked.
  expect(QUESTIONS.filter(({ source }) => source !== undefined).length).toBeGreaterThanOrEqual(10);
});

describe('a client that follows a fixed policy reads', () => {
  test.each(QUESTIONS)('$question ($machine)', async asked => {
    const [name, input] = POLICY[asked.kind];
    const result = await withClient(asked, client =>
      client.callTool({ name, arguments: { ...input, ...asked.about } }),
    );
    const [content] = z.array(z.object({ text: z.string() })).parse(result.content);
    tally.calls += 1;
    tally.tokens += countTokens(content?.text ?? '');
    for (const form of [content?.text ?? '', JSON.stringify(result.structuredContent)]) {
      const begun = firstTokens(form, asked.withinTokens).toLowerCase();
      const has = (fact: string) => begun.includes(fact.toLowerCase());
      expect(asked.facts.filter(fact => !has(fact))).toEqual([]);
      expect(asked.forbidden.filter(has)).toEqual([]);
    }
  });
});

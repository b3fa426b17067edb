import { expect, test } from 'vitest';
import { scriptedModel, type Turn } from '../fakes/scripted-model.ts';
import { asked } from './loop.ts';
import { QUESTIONS, type Question } from './questions.ts';

const BUDGET = { calls: 3, tokens: 60_000 };
const DIALECTS = ['openai', 'anthropic'] as const;

function questionOf(words: string): Question {
  const found = QUESTIONS.find(({ question }) => question === words);
  if (found === undefined) throw new Error(`there is no question "${words}"`);
  return found;
}

async function gradedBy(
  dialect: (typeof DIALECTS)[number],
  script: readonly Turn[],
  words = 'XID 79: drain or reset?',
) {
  const model = await scriptedModel(script);
  try {
    const at = { endpoint: `${model.url}/v1`, name: 'scripted', key: 'none', dialect };
    return { graded: await asked(at, questionOf(words), BUDGET), heard: model.heard };
  } finally {
    await model.close();
  }
}

const explain = { tool: 'explain_xid', input: { query: '79' } };

test.each(DIALECTS)('a model that calls and says what it was told passes: %s', async dialect => {
  const { facts } = questionOf('XID 79: drain or reset?');
  const { graded, heard } = await gradedBy(dialect, [
    explain,
    { text: `Do: ${facts.join(', ')}.` },
  ]);
  expect(graded).toMatchObject({ passed: true, calls: ['explain_xid'], faults: [] });
  expect(graded.tokens).toBeGreaterThan(1_000);
  expect(heard.at(-1)?.results.join()).toContain('reboot_node');
  expect(heard[0]?.tools).toContain('triage_gpu_node');
});

test.each(DIALECTS)('a fact left out and a word that misleads are faults: %s', async dialect => {
  const words = 'Why does nvidia-smi hang, and will a reset do?';
  const turns = [{ tool: 'triage_gpu_node', input: {} }, { text: 'Use gpu-reset.' }];
  const { graded } = await gradedBy(dialect, turns, words);
  expect(graded.passed).toBe(false);
  expect(graded.faults).toEqual([
    ...questionOf(words).facts.map(fact => `does not say "${fact}"`),
    'says "gpu-reset"',
  ]);
});

test.each(DIALECTS)('a model that only calls is stopped by its budget: %s', async dialect => {
  const { graded } = await gradedBy(dialect, [explain, explain, explain, explain, explain]);
  expect(graded.faults[0]).toBe('more than 3 calls');
});

test('a wrong argument is told to the model, which may go on', async () => {
  const wrong = { tool: 'get_gpu_health', input: { gpu: '99' } };
  const { heard } = await gradedBy('openai', [wrong, { text: 'No.' }]);
  expect(heard.at(-1)?.results.join()).toContain('no GPU');
});

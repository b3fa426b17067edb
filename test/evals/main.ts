/**
 * Without a model: `npm run evals` asks each question by a fixed policy. With one:
 *
 *   npm run evals -- --endpoint URL --model NAME [--dialect openai|anthropic] [--only WORDS] [--calls N]
 *                    [--tokens N] [--results FILE]
 *
 * The key is $EVALS_API_KEY. Each question gets a conversation of its own; the last word is graded by rule.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { env, execPath, exit, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { asked, type Graded, type Model } from './loop.ts';
import { QUESTIONS } from './questions.ts';

const { values } = parseArgs({
  options: {
    ...{ endpoint: { type: 'string' }, model: { type: 'string' }, dialect: { type: 'string' } },
    ...{ only: { type: 'string', default: '' }, results: { type: 'string' } },
    ...{ calls: { type: 'string', default: '6' }, tokens: { type: 'string', default: '60000' } },
  },
});
const { endpoint, model: name, dialect, only, results, calls, tokens } = values;

if (endpoint === undefined) {
  const words = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'fast', 'test/evals'];
  exit(spawnSync(execPath, words, { stdio: 'inherit' }).status ?? 1);
}
const key = env['EVALS_API_KEY'] ?? '';
if (name === undefined || !/^(openai|anthropic)?$/.test(dialect ?? '') || key === '') {
  stderr.write('evals: --endpoint needs --model NAME, $EVALS_API_KEY, and one of the dialects\n');
  exit(2);
}
const isAnthropic = dialect === 'anthropic' || (!dialect && /anthropic/.test(endpoint));
const model: Model = { endpoint, name, key, dialect: isAnthropic ? 'anthropic' : 'openai' };
const budget = { calls: Number(calls), tokens: Number(tokens) };
const graded: Graded[] = [];
for (const question of QUESTIONS.filter(({ question: words }) => words.includes(only))) {
  const one = await asked(model, question, budget);
  graded.push(one);
  stdout.write(`${one.passed ? 'passed' : 'failed'}  ${one.question} (${one.machine})\n`);
  for (const fault of one.faults) stdout.write(`        ${fault}\n`);
}
const passed = graded.filter(one => one.passed).length;
const spent = graded.reduce((sum, one) => sum + one.tokens, 0);
const made = graded.reduce((sum, one) => sum + one.calls.length, 0);
stdout.write(`${passed} of ${graded.length} passed, ${made} calls, ${spent} tokens of o200k\n`);
if (results !== undefined) {
  const date = new Date().toISOString();
  const { dialect: spoken } = model;
  const kept = {
    model: name,
    dialect: spoken,
    date,
    budget,
    passed,
    of: graded.length,
    calls: made,
  };
  writeFileSync(
    results,
    `${JSON.stringify({ ...kept, tokens: spent, questions: graded }, null, 1)}\n`,
  );
}
exit(passed === graded.length ? 0 : 1);

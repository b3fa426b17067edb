import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scriptedModel } from '../fakes/scripted-model.ts';
import { PROJECT } from '../house/files.ts';

test('the command asks the chosen questions and keeps a file with model and date', async () => {
  const model = await scriptedModel([
    { tool: 'explain_xid', input: { query: '79' } },
    { text: 'Drain and reboot the node.' },
  ]);
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-evals-'));
  try {
    const results = join(folder, 'results.json');
    const words = [
      '--endpoint',
      `${model.url}/v1`,
      '--model',
      'scripted',
      '--only',
      'XID 79: drain',
    ];
    const child = spawn(process.execPath, ['test/evals/main.ts', ...words, '--results', results], {
      ...{ cwd: PROJECT, env: { ...process.env, EVALS_API_KEY: 'none' }, stdio: 'ignore' },
    });
    const code = await new Promise(resolve => child.once('close', resolve));
    const kept = JSON.parse(readFileSync(results, 'utf8'));
    expect(kept).toMatchObject({ model: 'scripted', dialect: 'openai', of: 1, calls: 1 });
    expect(Date.parse(kept.date)).toBeGreaterThan(0);
    expect(code).toBe(kept.passed === 1 ? 0 : 1);
    expect(kept.questions[0].calls).toEqual(['explain_xid']);
  } finally {
    await model.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

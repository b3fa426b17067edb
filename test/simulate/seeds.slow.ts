import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const SEEDS = 2_000;
const run = promisify(execFile);

/** As `npm run simulate` does: a process of its own, where nothing but the simulation takes time. */
async function simulate(...flags: readonly string[]): Promise<string> {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const { stdout } = await run(process.execPath, [main, ...flags]).catch(error => error);
  return stdout;
}

test('sessions: nothing is left, nothing hangs, nothing false is said', async () => {
  expect(await simulate('--seeds', `${SEEDS}`)).toMatch(
    new RegExp(`^\\d+ found before, 0 wrong\n${SEEDS} seeds, 0 wrong\n$`),
  );
});

test('commands: of each operation that fails an error or a gap is told', async () => {
  expect(await simulate('--operations')).toMatch(/^\d+ operations that fail, 0 wrong\n$/);
});

test('a seed gives the same trace again', async () => {
  const [first, second] = [await simulate('--seed', '77'), await simulate('--seed', '77')];
  expect(first).toMatch(/DELETE/);
  expect(second).toBe(first);
});

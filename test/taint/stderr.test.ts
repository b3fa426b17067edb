import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { shownOn } from '../../src/cli/progress.ts';
import { ioOf, run } from '../cli/run.ts';
import { HOSTILE, unseenIn } from './hostile.ts';

test.each(['say', 'tell'] as const)('what is going on holds no hostile words: %s', how => {
  for (const [what, words] of HOSTILE) {
    const { io, err } = ioOf({});
    const { progress, end } = shownOn(io, { quiet: false, verbose: false });
    progress[how](`node a${words}`);
    end();
    expect(err.text(), what).toMatch(/^node a.*\n$/);
    expect(unseenIn(err.text()), what).toEqual([]);
  }
});

test('an error holds none, though a kubeconfig’s names have them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-taint-'));
  try {
    for (const [what, words] of HOSTILE) {
      const KUBECONFIG = join(folder, 'config');
      const contexts = [{ name: `a${words}`, context: { cluster: 'c', user: 'u' } }];
      // JSON is YAML too.
      writeFileSync(KUBECONFIG, JSON.stringify({ apiVersion: 'v1', kind: 'Config', contexts }));
      const { code, stderr } = await run(['nodes', '--context', 'b'], {
        environment: { KUBECONFIG },
      });
      expect([code, unseenIn(stderr)], what).toEqual([3, []]);
      expect(stderr, what).toContain('known: a');
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

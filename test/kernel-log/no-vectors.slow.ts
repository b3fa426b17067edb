import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const SCRIPT = `
  const { LineScanner } = await import('./src/kernel-log/lines.ts');
  const { AnchorSet } = await import('./src/kernel-log/anchors.ts');
  const anchors = new AnchorSet();
  const shown = [];
  const scanner = new LineScanner(anchors, ({ number }) => { shown.push(number); return 0; });
  scanner.push(Buffer.from('a\\nNVRM: b\\n'.repeat(3)));
  scanner.end();
  process.stdout.write(JSON.stringify({ filter: anchors.blocks !== undefined, shown, lines: scanner.lines }));
`;

/** A virtual machine may show an old processor's features, for which WebAssembly has no vectors. */
test.runIf(process.arch === 'x64').each([
  ['with vectors', [], true],
  ['without vectors', ['--no-enable-sse4-1'], false],
])('a log is searched on a processor %s', (_, flags, filter) => {
  const args = [...flags, '--input-type=module', '--eval', SCRIPT];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual({ filter, shown: [2, 4, 6], lines: 6 });
});

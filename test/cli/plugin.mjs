import { enableCompileCache } from 'node:module';

/**
 * The plugin as a child of a test: what of its sources was compiled before is not compiled again, which
 * halves its start. A reaper does nothing before its input ends: only then, and unless it was dismissed,
 * are its sources loaded. No TypeScript itself: to read that takes as long as all else of a start.
 */
if (process.argv[2] === 'reap') {
  const { text } = await import('node:stream/consumers');
  const orders = await text(process.stdin);
  if (orders.trimEnd().endsWith('{"dismissed":true}')) process.exit(0);
  const { Readable } = await import('node:stream');
  Object.defineProperty(process, 'stdin', { value: Readable.from([orders]) });
}
enableCompileCache();
await import('../../src/cli/main.ts');

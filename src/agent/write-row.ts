import { writeFile } from 'node:fs/promises';
import { firstQuestionIn } from '../contract/first-question.ts';
import { TOOL_CALL_MS_MAX } from '../contract/limits.ts';
import { VERSION } from '../contract/version.ts';
import type { SentRow } from '../mcp/results.ts';
import { provenanceOf } from '../tools/instruments.ts';
import { triageRow } from '../tools/triage-row.ts';
import { instrumentsOf } from './open-instruments.ts';
import type { ServeOptions } from './serve.ts';

/**
 * Reads this node once and writes the row of its triage where its kubelet looks for last words. True
 * when no process of it is left in the driver.
 */
export async function writeRow(
  options: Pick<ServeOptions, 'arguments' | 'clock' | 'spawnChild' | 'stop'>,
  file: string,
): Promise<boolean> {
  const within = AbortSignal.timeout(TOOL_CALL_MS_MAX);
  const signal = options.stop ? AbortSignal.any([options.stop, within]) : within;
  // Nobody is attached who could send a key, and the tokens of a row are compared with no others.
  const redacts = options.arguments.redactNames !== undefined;
  const key = redacts ? (await import('node:crypto')).randomBytes(16).toString('hex') : undefined;
  const instruments = await instrumentsOf(options, key);
  instruments.nvml.warm();
  const { input = {} } = firstQuestionIn(options.arguments.firstQuestion ?? '') ?? {};
  const progress = () => undefined;
  const facts = await triageRow.question(input).observe({ ...instruments, progress }, signal);
  const sent: SentRow = { version: VERSION, provenance: provenanceOf(instruments), facts };
  await writeFile(file, JSON.stringify(sent));
  return instruments.nvml.close();
}

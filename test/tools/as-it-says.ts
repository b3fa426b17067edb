import { expect } from 'vitest';
import { ANSWER_BYTES_MAX } from '../../src/contract/limits.ts';
import type { AnyTool } from '../../src/tools/tool.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

/** What a tool cannot be asked without. */
export const NEEDED: Readonly<Record<string, object>> = {
  explain_xid: { query: '79' },
  explain_failure: { pod: 'train-0' },
};

/** Whether a tool answers of a machine what its schema says, whole and of a size that goes through. */
export async function answersAsItSays(tool: AnyTool, machine: string) {
  const { text, structured } = await answered(
    tool,
    NEEDED[tool.name] ?? {},
    instrumentsOf(machine),
  );
  expect(tool.output.parse(structured)).toEqual(structured);
  expect(structured).toMatchObject({ simulated: true, node: machine });
  expect(text.split('\n')[0]).toContain(`SIMULATED machine "${machine}"`);
  expect(Buffer.byteLength(JSON.stringify(structured))).toBeLessThan(ANSWER_BYTES_MAX);
  expect(text).not.toMatch(/undefined|null|NaN|\[object/);
}

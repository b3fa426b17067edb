import * as z from 'zod';
import { FIRST_QUESTION_CHARACTERS_MAX } from './limits.ts';

/** What an agent is started for: it reads while the stream to it is still being opened. */
const FirstQuestion = z.object({
  tool: z.string(),
  input: z.record(z.string(), z.unknown()),
});
export type FirstQuestion = z.infer<typeof FirstQuestion>;

/** As the agent is told; undefined where it is too long for that, and is asked alone. */
export function firstQuestionText({ tool, input }: FirstQuestion): string | undefined {
  const text = JSON.stringify({ tool, input });
  return text.length > FIRST_QUESTION_CHARACTERS_MAX ? undefined : text;
}

/** The question in a text; undefined in what is none: it is asked again over the stream. */
export function firstQuestionIn(text: string): FirstQuestion | undefined {
  try {
    return FirstQuestion.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

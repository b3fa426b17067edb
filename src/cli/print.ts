import type { Answer } from '../contract/answer.ts';
import { rendered } from '../report/render.ts';
import type { Invocation } from './command.ts';
import type { OutputFlags } from './flags.ts';
import { write } from './io.ts';

/** Prints an answer on stdout in the form that the flags ask for. */
export function print(
  answer: Answer & { readonly title: string },
  { args, io }: Pick<Invocation<OutputFlags>, 'args' | 'io'>,
): Promise<void> {
  // Colours only on a terminal, never with --no-color or NO_COLOR.
  const isAllowed = args.color && (io.environment['NO_COLOR'] ?? '') === '';
  const form = { format: args.output, colour: isAllowed && io.stdoutIsTerminal };
  return write(io.stdout, rendered(answer, form));
}

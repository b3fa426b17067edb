import type { Titled } from '../report/fleet-report.ts';
import { type Form, rendered } from '../report/render.ts';
import type { Invocation } from './command.ts';
import type { OutputFlags } from './flags.ts';
import { type Io, write } from './io.ts';

type Printing = Pick<
  Invocation<OutputFlags & { readonly details?: boolean | undefined }>,
  'args' | 'io'
>;

/** Prints an answer on stdout in the form that the flags ask for. */
export async function print(answer: Titled, printing: Printing): Promise<void> {
  const { rows } = printing.io;
  await write(printing.io.stdout, await rendered(answer, { ...formOf(printing), rows }));
}

export const formOf = ({ args, io }: Printing): Form => ({
  format: args.output,
  colour: wantsColour(args.color, io),
  width: widthOf(io),
  wraps: io.stdoutIsTerminal,
  details: args.details === true,
});

/** Where nothing tells a terminal's width. */
const COLUMNS = 80;

export function widthOf({ columns, environment }: Io): number {
  const named = Number(environment['COLUMNS']);
  return columns ?? (Number.isInteger(named) && named > 0 ? named : COLUMNS);
}

/**
 * Colours on a terminal, unless the user says otherwise: by the flag, else as Node reads FORCE_COLOR
 * and NO_COLOR (no-color.org), CLICOLOR_FORCE and CLICOLOR (bixense.com/clicolors), TERM=dumb.
 */
export function wantsColour(
  choice: OutputFlags['color'],
  { environment, stdoutIsTerminal }: Pick<Io, 'environment' | 'stdoutIsTerminal'>,
): boolean {
  if (choice !== 'auto') return choice === 'always';
  const { FORCE_COLOR, CLICOLOR_FORCE, NO_COLOR, CLICOLOR, TERM } = environment;
  const isSet = (value: string | undefined) => value !== undefined && value !== '';
  const isOn = (value: string | undefined) => isSet(value) && value !== '0' && value !== 'false';
  if (isSet(FORCE_COLOR)) return isOn(FORCE_COLOR);
  if (isOn(CLICOLOR_FORCE)) return true;
  return stdoutIsTerminal && !isSet(NO_COLOR) && CLICOLOR !== '0' && TERM !== 'dumb';
}

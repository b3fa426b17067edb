import { isMissingRight } from '../cluster/port.ts';
import type { Check, CheckId } from '../contract/doctor.ts';
import { ClusterError, GpuMcpError } from '../contract/errors.ts';
import { optional } from '../contract/optional.ts';
import type { Clock } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';

/** An answer, or why there is none. */
export type Found<T> =
  | { readonly ok: true; readonly value: T; readonly tookMs: number; readonly atMs: number }
  | { readonly ok: false; readonly error: GpuMcpError };

/** What was not asked, because an answer before it was missing. */
export class NotAsked extends ClusterError {}

/** No answer in time. */
export class TooLate extends ClusterError {}

export interface Asking {
  readonly clock: Clock;
  /** The user's. */
  readonly signal: AbortSignal;
}

/** One question with a bound of its own: whatever comes of it, the others go on. */
export async function ask<T>(
  { clock, signal }: Asking,
  msMax: number,
  question: (within: AbortSignal) => Promise<T>,
): Promise<Found<T>> {
  const startMs = clock.nowMs();
  const over = AbortSignal.timeout(msMax);
  try {
    const value = await question(AbortSignal.any([signal, over]));
    const atMs = clock.nowMs();
    return { ok: true, value, atMs, tookMs: atMs - startMs };
  } catch (error) {
    signal.throwIfAborted();
    if (over.aborted) return failed(new TooLate(`no answer in ${Math.round(msMax / 1_000)} s`));
    if (error instanceof GpuMcpError) return failed(error);
    throw error;
  }
}

const failed = (error: GpuMcpError): Found<never> => ({ ok: false, error });

export const notAsked = (why: string): Found<never> => failed(new NotAsked(why));

export const answered = <T>(found: Found<T> | undefined): T | undefined =>
  found?.ok ? found.value : undefined;

interface Try {
  readonly hint?: string | undefined;
  readonly commands?: readonly string[] | undefined;
  readonly adminCommands?: readonly string[] | undefined;
}

const tries = ({ hint, commands = [], adminCommands = [] }: Try) =>
  optional({
    hint,
    commands: commands.length > 0 ? [...commands] : undefined,
    adminCommands: adminCommands.length > 0 ? [...adminCommands] : undefined,
  });

export const good = (id: CheckId, message: string): Check => ({ id, state: 'ok', message });

export const warned = (id: CheckId, message: string, more: Try = {}): Check => ({
  ...{ id, state: 'warning', message },
  ...tries(more),
});

export const broken = (id: CheckId, exitCode: 3 | 4, message: string, more: Try = {}): Check => ({
  ...{ id, state: 'failed', message, exitCode },
  ...tries(more),
});

export const unproven = (id: CheckId, message: string, more: Try = {}): Check => ({
  ...{ id, state: 'unknown', message },
  ...tries(more),
});

/** A check whose question had no answer. A right that is missing is told among the rights, with its cure. */
export function unanswered(id: CheckId, { error }: { readonly error: GpuMcpError }): Check {
  const right = isMissingRight(error);
  return unproven(id, wordsOf(error), right ? {} : { hint: error.hint });
}

/** A failure as a check of its own, with what its error says to try. */
export const failure = (id: CheckId, error: GpuMcpError): Check =>
  broken(id, error.exit === 4 ? 4 : 3, wordsOf(error), { hint: error.hint });

export const wordsOf = (error: GpuMcpError): string => plainText(error.message, 400);

/** `35 ms`, `1.2 s`. */
export const tookText = (ms: number): string =>
  ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;

/** Of a check that needs the node itself. */
export const UNREAD = 'the node could not be read';

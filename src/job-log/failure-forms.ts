import { isHarmless } from './harmless-lines.ts';
import type { Line } from './log-lines.ts';

/** What an error looks like, whatever it says. */

/** What a line without one of these words says is no failure. */
export const MAY_FAIL =
  /error|exception|fail|fatal|abort|kill|signal|sigterm|watchdog|timeout|timed out|\bnan\b|\binf\b|non-finite|refused|reset|closed|pipe|denied|space|cannot|can't|couldn't|could not|oom|memory|dead|died|lost|segmentation|assert|exited|exits|return code|unable|invalid|no such|not found|no cuda|no devices|unavailable|mismatch|heartbeat|inbound|missing comm|compatib|not exist|compiled with|evict|drain|low on|not enough|not have|has not been|does not|usage|xid|segfault|panic|bad_alloc|general protection|fallen|cancelled|interrupt|preempt|notice|limit|processes|larger than|dump|already in use|illegal|duplicate|nonexistent|unreachable|nccl warn|taking the entire|barrier|marked|exceed|terminat|unexpected/i;
export const WHAT = /^\s+what\(\):\s*/;

/** `error: `, `srun: error: `, `error loading model: `, `x.h:139:2: error: `, `nvcc fatal   : `, `  what():  `. */
export const FAILED_FORM =
  /^(?:[\w./:()+-]{1,120}: |[\w.-]{1,40} )?(?:[\w./-]{1,64}: )?(?:(?:fatal|unrecoverable|internal|runtime) )?(?:error|fatal)(?: in \w+[^:]{0,40}| [\w ()]{1,40})?\s{0,4}: |^\s+what\(\):/i;

/** An exception of any language within a line of a logger: `Exception in thread "main" a.b.XException: text`. */
const RAISED_WITHIN = /(?:^|[\s\])>|])(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception): \S/;
/** It stands alone: what went wrong is said below. */
const ANNOUNCED =
  /^(?:fatal |internal )?error:?\s*$|\b(?:standard error|stderr|output|traceback|following|details?)\b[^:]{0,20}:\s*$/i;

/** What a program says as it gives up, in no form of an error. */
const GIVES_UP =
  /\b(?:failed|cannot|can't|could not|couldn't|unable to|terminating|exiting|abort(?:ed|ing)|giving up|not found)\b|\berror\s?[:=]/i;
/** Help texts of launchers say what may have been. */
const GUESSES = /\b(?:usually|may|might|likely|possibl[ey]|perhaps|without calling|either|if)\b/i;
export const givesUp = ({ level, text }: Line): boolean =>
  level === 'plain' && GIVES_UP.test(text) && !GUESSES.test(text) && !isHarmless(text);

/** Whether it is an error by its form, whatever it says. */
export function looksFailed({ level, text }: Line, above: string): boolean {
  if (isHarmless(text) || text.trim() === '') return false;
  if (WHAT.test(text) || ANNOUNCED.test(above)) return true;
  const hasForm = FAILED_FORM.test(text) || RAISED_WITHIN.test(text);
  const isError = level === 'error' || (level === 'plain' && hasForm);
  return isError && MAY_FAIL.test(text) && !ANNOUNCED.test(text);
}

import { isHarmless } from './harmless-lines.ts';
import type { Line } from './log-lines.ts';
import { noticedOfOthers } from './of-others.ts';

/** What an error looks like, whatever it says. */

/** What a line without one of these words says is no failure; each text of the tables has one. */
export const MAY_FAIL = new RegExp(
  [
    /error|exception|fail|fatal|abort|kill|signal|sigterm|watchdog|timeout|\bnan\b|\binf\b/,
    /non-finite|refused|reset|closed|pipe|denied|space|cannot|can't|couldn't|could not|oom/,
    /memory|dead|died|lost|assert|return code|unable|invalid|mismatch|heartbeat|inbound/,
    /compatib|evict|drain|\blame |stub lib|low on|usage|xid|segfault|panic|bad_alloc|general protection/,
    /fallen|cancelled|interrupt|preempt|limit|processes|dump|illegal/,
    /duplicate|nonexistent|taking the entire|barrier|marked|exceed|terminat|no |not |n't /,
    /errno|expected|requ|must|detected|status|received|version|read-only|corrupt|capa/,
    /config|violat|engine|exit|unknown|changed|missing|expire|imagep|unhealthy|mapping/,
    /ibv_wc|built|acces|unre|recorder|nvls|too |handle|available|nosuchkey|undefined/,
    /minimum|offline|unauthorized|insuff|servname|eaddrinuse|exploded|captur|multiple/,
    /recvbytes|waiting|misaligned|quota|nans|incompl|dcgm_|timed|segm|larger|notice|connect/,
    /shutdown|shutting|sanitizer|runtime cudnn|compiled|deserialize|outgoing|forbidden|already|exchange_id|in use/,
    /padded|mpi_err|of range|infinite|removed|unsupported|incorrect|replays|currently down|pci link/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
export const WHAT = /^\s+what\(\):\s*/;

/** `error: `, `srun: error: `, `error loading model: `, `x.h:139:2: error: `, `nvcc fatal   : `, `  what():  `. */
export const FAILED_FORM =
  /^(?:[\w./:()+-]{1,120}: |[\w.-]{1,40} )?(?:[\w./-]{1,64}: )?(?:(?:fatal|unrecoverable|internal|runtime) )?(?:error|fatal)(?: in \w+[^:]{0,40}| [\w ()]{1,40})?\s{0,4}: |^\s+what\(\):/i;

/** An exception of any language within a line of a logger: `Exception in thread "main" a.b.XException: text`. */
const RAISED_WITHIN = /(?:^|[\s\])>|])(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception): \S/;
/** It stands alone: what went wrong is said below. */
const HEADING = /^(?:fatal |internal )?error:?\s*$/i;
/** What follows is quoted, and says itself whether it is an error. */
const QUOTES = /\b(?:standard error|stderr|output|traceback|following|details?)\b[^:]{0,20}:\s*$/i;

/** What a program says as it gives up, in no form of an error. */
const GIVES_UP =
  /\b(?:failed|cannot|can't|could not|couldn't|unable to|terminating|exiting|abort(?:ed|ing)|giving up|not found)\b|\berror\s?[:=]/i;
/** Help texts of launchers say what may have been. */
const GUESSES = /\b(?:usually|may|might|likely|possibl[ey]|perhaps|without calling|either|if)\b/i;
export const givesUp = ({ level, text }: Line): boolean =>
  level === 'plain' && GIVES_UP.test(text) && !GUESSES.test(text) && !isHarmless(text);

/** The same in words that leave no doubt, beside the louder words of others. */
const QUITS =
  /\b(?:giv(?:ing|es|e) up|gave up|abandon(?:s|ed|ing)|bail(?:ed|ing) out|terminating|exiting|quitting|aborting|(?:cannot|unable to|can't|could not) (?:continue|proceed|go on)|unrecoverable)\b/i;
export const quits = ({ level, text }: Line): boolean =>
  (level === 'plain' || level === 'error') &&
  QUITS.test(text) &&
  !GUESSES.test(text) &&
  !isHarmless(text);

/** Whether it is an error by its form, whatever it says. */
export function looksFailed({ level, text }: Line, above: string): boolean {
  if (WHAT.test(text) || HEADING.test(above)) return !isHarmless(text);
  if (level !== 'plain' && level !== 'error') return false;
  if (!MAY_FAIL.test(text)) return false;
  if (level === 'plain' && !FAILED_FORM.test(text) && !RAISED_WITHIN.test(text)) return false;
  if (HEADING.test(text) || QUOTES.test(text) || isHarmless(text)) return false;
  return noticedOfOthers(text) === undefined;
}

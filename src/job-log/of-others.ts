/** What a process only notices of another one: that it has ended, has hung up, does not come. */

/** Who works together, whatever a program calls them. */
const OTHER =
  '(?:process(?:es)?|subprocess|workers?|runner|child|shard|replica|executor|tasks?|ranks?|pod|container|job|nodes?|peers?|actor|engine|enginecore|daemon|raylet|trials?|kernel|learner|launcher|participants?)';

/** What tells that another process has ended, and not why. */
const ENDED = new RegExp(
  [
    `\\b${OTHER}\\b.{0,40}\\b(?:(?:has|have|was|were|been|is|had) )?(?:terminated|exited|died|dead(?! code)|killed|crashed|ended|gone|stopped|aborted|failed to start|restarted|signall?ed)\\b`,
    `\\b(?:terminating|killing|stopping|restarting|shutting down)\\b.{0,40}\\b(?:process|worker|job|task|rank|shard)`,
    `\\b(?:child|worker|rank|task)(?: process| \\d+)? failed\\b`,
    `\\b(?:lost|removing) executor \\d`,
  ].join('|'),
  'i',
);

/** Behind it the line may say why: that is no report of another one's end. */
const SAYS_WHY =
  /\b(?:because|due to|since|caused by|for (?:exceeding|using)|out[- ]of[- ](?:\w+ )?(?:memory|space|disk))\b|\boom[-_ ]?kill|\b(?:terminated|exited|died|dead|killed|crashed|ended|gone|stopped|aborted|start(?:ed)?|failed)\b[^:]{0,30}(?<!\b[a-z]{0,10}id): (?!(?:exit|code|signal|pid|rank|status|worker|process|see|return)\b)[a-z][\w' ]+ \w/i;

/** What stands behind the end of another one: `worker died: uncorrectable ECC error`. */
const WHY_BEHIND =
  /\b(?:terminated|exited|died|dead|killed|crashed|ended|stopped|aborted|failed): (?!(?:exit|code|signal|pid|rank|status|worker|process|see|return)\b)([a-z].{4,400})/i;
export const whyEnded = (text: string): string | undefined => WHY_BEHIND.exec(text)?.[1];

/** A number is all that it tells of the end of what it started. */
const EXIT_CODE =
  /\b(?:\w+_)?(?:exit(?:s|ed)?|return(?:s|ed)?)(?:[ _-]?(?:with|code|status|value|non-zero)){1,4}\W{0,4}-?[1-9]\d{0,2}\b|\bexitcode\W{0,3}-?[1-9]|\bnon-?zero (?:exit|return|status)\b/i;
/** Behind it nothing more is said than of which program. */
const MORE_CHARACTERS = 160;
const endsWithCode = (text: string): boolean => {
  const found = EXIT_CODE.exec(text);
  return found !== null && text.length - found.index - found[0].length <= MORE_CHARACTERS;
};

export const tellsOfOther = (text: string): boolean =>
  (ENDED.test(text) || endsWithCode(text)) && !SAYS_WHY.test(text);

/** Where it says that the reason stands elsewhere. */
const ELSEWHERE =
  /\bfrom (?:this or )?another (?:task|process|rank|worker|host)\b|\berror handler invoked\b|\bsee (?:the )?(?:stack ?trace|root cause|error(?:s|\(s\))?|logs?|output)?\b.{0,24}\b(?:above|below|for (?:the )?(?:root cause|details?|more|error)|root cause)\b|\b(?:root cause|cause)\b.{0,40}\b(?:above|elsewhere|other)\b|\bone of the (?:\w+ )?(?:threads|workers|processes|tasks|ranks) (?:raised|threw|failed|hit)\b|\b(?:check|see|look at) (?:the )?other (?:trace|log|error)|\b(?:in|of|by) (?:a|the|another|some|one of the) (?:background|child|worker|other|sub)[ -]?(?:process|worker|rank)/i;

/** Another thread of its own process has failed: that is told beside it, and comes of nobody else's end. */
const OF_THREADS = /\bone of the (?:\w+ )?threads\b|\bother (?:trace|threads)/i;
export const tellsOfThread = (text: string): boolean => OF_THREADS.test(text);

/** Classes that are raised for the end of another process. */
const OF_ENDED =
  /(?:Died|Dead|ChildFailed|Crashed|ProcessRaised|ProcessExited|KilledWorker|BrokenProcessPool|Unreachable\w*)(?:Error|Exception)?$/;

/** The same for the other end of a connection between processes; a service has an address. */
const OF_CLOSED =
  /^(?:(?:Comm|Server|Connection|Channel|Socket|Stream|Pipe|Endpoint|Session|Transport)Closed|(?:Closed|Broken)Resource)(?:Error|Exception)?$/;

/** A connection that the other side has given up. */
const CLOSED =
  /\bconnection\b.{0,30}\b(?:closed|reset|lost|dropped|terminated|aborted)\b.{0,30}\b(?:peer|remote|rank|worker|process|client|other (?:side|end))|\bbroken pipe\b|\b(?:peer|remote|client)\b.{0,20}\b(?:closed|disconnected|hung up)\b/i;

const MEETING =
  '\\b(?:barrier|rendezvous|all[_-]?(?:reduce|gather|to[_-]?all)|collective|broadcast|recv|send|(?:tcp)?store|socket|peers?|ranks?|tasks?|participants?|members?)\\b';
const TIMED_OUT = '\\b(?:timed? ?-?out|time-?outs?|deadline)\\b';
/** Others did not come, or not in time. */
const NOT_CAME = new RegExp(
  `${MEETING}.{0,80}${TIMED_OUT}|${TIMED_OUT}.{0,80}${MEETING}|\\b(?:other|all|some|not all) (?:ranks?|peers?|workers?|processes|participants?)\\b.{0,40}\\b(?:join|arriv|reach|respond|regist|(?:not|n't) finish)|\\b(?:missing|absent|stalled|waiting for) (?:ranks?|peers?|workers?|processes|remainder of ranks)\\b|\\bdeadline_exceeded: deadline exceeded|(?:^|[\\]":] ?)deadline exceeded(?:"|\\W*$)`,
  'i',
);

/** Who has gone is said outright, whatever class says it. */
const GONE =
  /\b(?:remote (?:process|peer|rank|worker)|(?:a|the|another|other) (?:peer|rank|ranks)|peer (?:process|rank))\b.{0,30}\b(?:exit(?:ed|s)|died|dead|failed|gone|closed|terminated|aborted|crashed|disconnected)\b|\bone of the (?:ranks|peers)\b/i;
export const tellsOfGone = (text: string): boolean => GONE.test(text);

/** The row of the table that says the same of what an error tells of others; undefined where it tells of itself. */
export function noticedOfOthers(text: string, exception = ''): string | undefined {
  if (OF_ENDED.test(exception) || ELSEWHERE.test(text)) return 'engine-dead';
  if (OF_CLOSED.test(exception) && !/\bhttps?:\/\//.test(text)) return 'engine-dead';
  if (tellsOfGone(text) || tellsOfOther(text)) return 'other-rank';
  if (text.includes('://')) return undefined;
  if (CLOSED.test(text)) return 'peer-closed';
  // `socket.timeout: `: the class of an exception says nothing of who was waited for.
  const said = text.replace(/^(?:socket\.timeout|(?:\w+\.){0,8}TimeoutError): /, '');
  return NOT_CAME.test(said) && !/\bconnect/i.test(text) ? 'rendezvous' : undefined;
}

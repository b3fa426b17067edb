import * as z from 'zod';
import { ACTION_OF, NVIDIA_ACTIONS } from './nvidia-actions.ts';
import rules from './nvlink5-rules.json' with { type: 'json' };
import type { Decoder, Verdict } from './verdict.ts';

/** One rule of NVIDIA's decode sheet for XID 144 to 150. */
export const Nvlink5Rule = z.strictObject({
  xid: z.int().min(144).max(150),
  units: z.array(z.string().regex(/^[A-Z][A-Z0-9_]*(?: Degraded)?$/)).min(1),
  errorStatus: z.int().min(0).max(0xffff_ffff),
  /** A second status of the same row. */
  orErrorStatus: z.int().min(0).max(0xffff_ffff).optional(),
  /** Bits 25 to 20 of the first word: the reason of a link event. */
  reason: z.int().min(0).max(63),
  /** Layout of drivers before R575, and from R575 on. */
  v1Mask: z.int(),
  v1Value: z.int(),
  v2Mask: z.int(),
  v2Value: z.int(),
  resolution: z.enum(NVIDIA_ACTIONS),
  investigatory: z.string(),
  severity: z.string(),
  /** What holds instead where one more bit of the first word is set. */
  secondAction: z
    .strictObject({
      action: z.enum(NVIDIA_ACTIONS),
      v1Bit: z.int().min(0).max(31),
      v2Bit: z.int().min(0).max(31),
    })
    .nullable(),
  hwSw: z.string(),
  effect: z.string(),
});
export type Nvlink5Rule = z.infer<typeof Nvlink5Rule>;

export const NVLINK5_EDITION: string = rules.edition;

let checked: readonly Nvlink5Rule[] | undefined;

/** All rules in the order of the sheet, checked at the first use. */
export function nvlink5Rules(): readonly Nvlink5Rule[] {
  checked ??= z.array(Nvlink5Rule).parse(rules.rules);
  return checked;
}

/**
 * `UNIT Fatal|Nonfatal XC0 i0 Link 17 (intrinfo errorstatus d d d d`; the end may be cut, and
 * drivers before R575 print `XC 1 i 2 Link 01 [0x...]`.
 */
const LINE =
  /^([A-Z][A-Z0-9_]*(?: Degraded)?)\s+(Fatal|Nonfatal)\b(?:\s+XC\s?(\d))?(?:\s+i\s?(\d))?(?:\s+Link\s+(-?\d{1,3}))?(?:\s*([([])([^)\]]*)([)\]])?)?/;

export const decodeNvlink5: Decoder = (text, xid) => {
  if (xid < 144 || xid > 150) return undefined;
  const found = LINE.exec(text);
  if (!found) return undefined;
  const [, unit = '', printed = '', xc, injected, link, , words, end] = found;
  // A word that the end of the line may have cut is not trusted.
  const all = (words ?? '').split(/[\s,]+/).filter(word => /^0x[0-9a-f]{1,8}$/i.test(word));
  const registers = end === undefined ? all.filter(word => word.length === 10) : all;
  const [intrinfo, errorStatus, ...debugWords] = registers;
  const info = intrinfo === undefined ? undefined : Number(intrinfo);
  const status = errorStatus === undefined ? undefined : Number(errorStatus);
  const match =
    info === undefined || status === undefined
      ? undefined
      : matchRule({ xid, unit, intrinfo: info, errorStatus: status });
  return {
    facts: {
      unit,
      severity: printed,
      xc: digit(xc),
      injected: digit(injected),
      link: digit(link),
      intrinfo: intrinfo ?? null,
      error_status: errorStatus ?? null,
      debug_words: debugWords.slice(0, 8),
      reason_bits_25_20: info === undefined ? null : reasonOf(info),
      truncated: end === undefined,
      rule: match ? ruleFacts(match) : null,
    },
    verdict: match ? byRule(match) : byWord(printed),
    ...(quiet(match, printed) ? { rank: 14 } : {}),
  };
};

const digit = (digits: string | undefined) => (digits === undefined ? null : Number(digits));

const reasonOf = (intrinfo: number): number => (intrinfo >>> 20) & 0x3f;

/** A link event that asks for nothing is no candidate for the root of others. */
const quiet = (match: Match | undefined, printed: string) =>
  match ? match.resolution === 'IGNORE' : printed === 'Nonfatal';

export interface Match {
  readonly rule: Nvlink5Rule;
  readonly layout: 'v1' | 'v2';
  /** The rule's word, or its second one where the line's bit asks for it. */
  readonly resolution: Nvlink5Rule['resolution'];
  /** No row has this status: it is the worst of its single bits. */
  readonly combined: boolean;
}

/** The rule for a line: same number, unit and status, and the first word fits one layout. */
export function matchRule(line: {
  readonly xid: number;
  readonly unit: string;
  readonly intrinfo: number;
  readonly errorStatus: number;
}): Match | undefined {
  const fitting = nvlink5Rules().flatMap((rule): Match[] => {
    if (rule.xid !== line.xid || !rule.units.includes(line.unit)) return [];
    const fits = (mask: number, value: number) => (line.intrinfo & mask) >>> 0 === value;
    const layout = fits(rule.v2Mask, rule.v2Value)
      ? 'v2'
      : fits(rule.v1Mask, rule.v1Value)
        ? 'v1'
        : undefined;
    if (!layout) return [];
    return [{ rule, layout, combined: false, resolution: resolutionOf(rule, layout, line) }];
  });
  const exact = fitting.find(
    ({ rule }) => rule.errorStatus === line.errorStatus || rule.orErrorStatus === line.errorStatus,
  );
  if (exact) return exact;
  const bits = fitting.filter(
    ({ rule }) => rule.errorStatus !== 0 && (line.errorStatus & rule.errorStatus) !== 0,
  );
  const worst = bits.toSorted((a, b) => weight(b) - weight(a))[0];
  return worst ? { ...worst, combined: true } : undefined;
}

/** Rows whose errors can be promoted have a second word, chosen by one bit of the first word. */
function resolutionOf(
  { resolution, secondAction }: Nvlink5Rule,
  layout: 'v1' | 'v2',
  { intrinfo }: { readonly intrinfo: number },
): Nvlink5Rule['resolution'] {
  if (!secondAction) return resolution;
  const bit = layout === 'v2' ? secondAction.v2Bit : secondAction.v1Bit;
  return ((intrinfo >>> bit) & 1) === 1 ? secondAction.action : resolution;
}

const weight = ({ resolution }: Match) =>
  resolution === 'RESET_GPU' ? 2 : resolution === 'IGNORE' ? 0 : 1;

const ruleFacts = ({ rule, layout, combined, resolution }: Match) => ({
  layout,
  resolution,
  investigatory: rule.investigatory,
  severity: rule.severity,
  hw_sw: rule.hwSw,
  ...(combined ? { combined_status: true } : {}),
});

/** What to look at next, by NVIDIA's second word of a rule. */
const LOOK: readonly [pattern: RegExp, advice: string][] = [
  [/PEER_DEVICE/, 'look at the GPU or switch at the other end of the link, which failed first'],
  [/CABLES/, 'check the cable and the signal of the link'],
  [/USER_LINK_SI/, 'check what software or a user did to the link, then its signal'],
  [/LINK_SI/, 'check the signal of the link'],
  [/SW/, 'check what software or a user did to the link'],
  [/HOST/, 'look at the host'],
  [/NVLINK_FAILURE_FLOW/, 'check the other links for a failure'],
  [/SYMPATHETIC/, 'look for the failure that took the link along; ask NVIDIA if there is none'],
  [/REPORT_ISSUE/, 'ask NVIDIA if it happens more than once a day'],
  [/CONTACT_SUPPORT/, 'ask NVIDIA if it repeats'],
];

/** The verdict of a rule, in our words. */
export function byRule({ rule, combined, resolution }: Match): Partial<Verdict> {
  const look = LOOK.find(([pattern]) => pattern.test(rule.investigatory))?.[1];
  const first =
    resolution === 'RESET_GPU'
      ? 'Drain the GPU and reset it'
      : resolution === 'IGNORE'
        ? 'Nothing to do now'
        : 'Do what an XID 154 of this GPU says, and where there is none, restart the application';
  return {
    action: ACTION_OF[resolution],
    severity:
      resolution === 'RESET_GPU' ? 'critical' : resolution === 'IGNORE' ? 'info' : 'warning',
    blame: rule.hwSw === 'SW' ? 'driver' : 'fabric',
    confidence: combined ? 'low' : resolution === 'XID_154_EVAL' ? 'medium' : 'high',
    meaning: `NVLink unit ${rule.units[0]} reported a ${rule.severity.replace(/[*?]+$/, '').toLowerCase()} event${rule.reason > 0 ? ` with reason ${rule.reason}` : ''}.`,
    advice: `${first}${look ? `; ${look}` : ''}.`,
    source: `${resolution} by NVIDIA's decode rules for XID 144 to 150 (edition ${NVLINK5_EDITION})${combined ? ', combined status' : ''}`,
  };
}

/** Without a rule the printed word counts, never the number alone. */
const byWord = (printed: string): Partial<Verdict> =>
  printed === 'Fatal'
    ? {
        action: 'reset_gpu',
        severity: 'critical',
        confidence: 'low',
        advice: 'Drain the GPU and reset it; follow XID 154 where the driver printed one.',
        source: 'the printed word Fatal: no decode rule fits the line',
      }
    : {
        action: 'watch',
        severity: 'warning',
        confidence: 'low',
        advice: 'Nothing to do now; follow XID 154 where the driver printed one.',
        source: 'the printed word Nonfatal: no decode rule fits the line',
      };

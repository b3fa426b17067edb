import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { Action, Blame, Confidence, Severity } from '../contract/finding.ts';
import { plainText } from '../contract/untrusted.ts';
import { unwrap } from '../kernel-log/unwrap.ts';
import { xidEntry, xidVerdict } from './catalogue.ts';
import { decodeFirmware } from './decode-firmware.ts';
import { SXID_EDITION, XID_EDITION } from './editions.ts';
import { RECOVERY_ACTIONS } from './nvidia-actions.ts';
import { byRule, type Nvlink5Rule, nvlink5Rules } from './nvlink5.ts';
import { plainFacts } from './occurrence.ts';
import { parseMessage } from './parse.ts';
import { type PastedText, pastedText, TEXT_SOURCES } from './pasted-texts.ts';
import { type Place, verdictAt } from './place.ts';
import { SXID_LEAST, sxidEntry, sxidVerdict } from './sxid-catalogue.ts';
import type { Decoded, Line, Verdict } from './verdict.ts';
import { parseXidLine } from './xid-line.ts';

/** What a number or a line means and what to do. */
export const Explanation = z.strictObject({
  /** The part of the question that this answers, made plain. */
  query: z.string(),
  family: z.enum(['xid', 'sxid', 'line', 'text']),
  code: z.int().min(0).max(99_999).nullable(),
  mnemonic: z.string().nullable(),
  title: z.string(),
  meaning: z.string(),
  action: Action,
  advice: z.string(),
  blame: Blame,
  severity: Severity,
  confidence: Confidence,
  /** Whose word the action is. */
  source: z.string(),
  /** The edition of the catalogue that was asked; null where the answer comes from none. */
  edition: z.string().nullable(),
  /** When NVIDIA says that it comes; null where NVIDIA says nothing. */
  when: z.string().nullable(),
  /** GPUs that can print it, by NVIDIA's catalogue; null where it does not tell. */
  appliesTo: z.array(z.string()).nullable(),
  /** The driver branch from which an XID 154 goes with it; null where none is promised. */
  recovery154: z.string().nullable(),
  /** Where NVIDIA's own documents disagree. */
  disagreement: z.array(z.string()),
  /** How other tools treat the number (device plugin, GKE, EKS, ...); null where not asked for. */
  treatedBy: z.record(z.string(), z.string().nullable()).nullable(),
  /** Where those tools decide otherwise than NVIDIA's catalogue; empty where not asked for. */
  opinions: z.array(z.string()),
  /** What was read from a pasted line or a sub-code. */
  decoded: z.record(z.string(), z.unknown()).nullable(),
  /** The number is in no catalogue that this program carries. */
  notCatalogued: z.boolean(),
});
export type Explanation = z.infer<typeof Explanation>;

const QUERY_CHARACTERS_MAX = 65_536;
/** Questions that one call answers; what is left out is told. */
const ANSWERS_MAX = 64;

/** What the answers hold beyond meaning and action. */
export interface ExplainOptions {
  /** How other tools treat a number. */
  readonly opinions?: boolean;
  /** Where the machine stands; absent: what can be done is told as for bare metal. */
  readonly place?: Place | undefined;
}

/** The first answers, and how many more the question had. */
export interface Explained {
  readonly explanations: Explanation[];
  readonly leftOut: number;
}

/**
 * Explains numbers (`79`, `149 4`, `SXid 12028`, several of them), pasted kernel lines, and error
 * texts of what stands on the driver.
 *
 * @throws UsageError where nothing in the text is a number or a line that we know.
 */
export function explainAll(
  query: string,
  { opinions = false, place }: ExplainOptions = {},
): Explained {
  if (query.length > QUERY_CHARACTERS_MAX) {
    throw new UsageError('the text is too long to explain', 'use analyze for whole logs');
  }
  const rows = query.split('\n').filter(row => row.trim() !== '');
  const answers = rows.flatMap(row => explainRow(row.trim()));
  const leftOut = Math.max(0, answers.length - ANSWERS_MAX);
  const kept = answers.slice(0, ANSWERS_MAX).map(answer => verdictAt(place ?? null, answer));
  if (kept.length > 0) {
    return { explanations: opinions ? kept : kept.map(withoutOpinions), leftOut };
  }
  throw new UsageError(
    `"${plainText(query, 80)}" is unknown: no XID, SXid, kernel line or error text that this program can explain`,
    'write a number (79), a number with its sub-code (149 4), SXid 12028, or paste the whole line of the kernel, CUDA, NVML, NCCL, DCGM or the container runtime',
  );
}

const withoutOpinions = (answer: Explanation): Explanation => ({
  ...answer,
  treatedBy: null,
  opinions: [],
});

/** The answers alone, for a question of few parts. */
export const explain = (query: string, wanted?: ExplainOptions): Explanation[] =>
  explainAll(query, wanted).explanations;

/** The words of a command line as one question: bare numbers belong together (`149 4`). */
export const queryOf = (words: readonly string[]): string =>
  words.join(words.every(word => /^[\w.,;:#]+$/.test(word)) ? ' ' : '\n');

function explainRow(row: string): Explanation[] {
  const pasted = linesIn(row);
  if (pasted.length > 0) return pasted;
  const numbers = numbersIn(row);
  if (numbers.length > 0) return numbers.map(explainNumber);
  const loose = looseXid(row);
  if (loose) return [explainLine(row, loose)];
  const text = pastedText(row);
  return text ? [explainText(row, text)] : [];
}

/** A text of CUDA, NVML, NCCL, DCGM or what starts containers. */
const explainText = (row: string, text: PastedText): Explanation => ({
  ...OF_NO_CATALOGUE,
  query: plainText(row, 512),
  family: 'text',
  code: null,
  mnemonic: null,
  title: text.title,
  meaning: text.meaning,
  action: text.action,
  advice: text.advice,
  blame: text.layer,
  severity: 'warning',
  confidence: text.layer === 'unknown' ? 'low' : 'medium',
  source: TEXT_SOURCES[text.source] ?? text.source,
  disagreement: [],
  decoded: { text: text.id, ...(text.code === null ? {} : { code: text.code }), next: text.next },
});

/**
 * The lines in a row as the analysis of a log reads them. A line that it would not take, for another
 * program's or a user's word, is explained as what it looks like, and that is said.
 */
function linesIn(row: string): Explanation[] {
  const found = unwrap(row).flatMap(({ text, origin }) => {
    const line = origin === 'other' ? undefined : parseMessage(text);
    return line ? [explainLine(row, line)] : [];
  });
  if (found.length > 0) return found;
  const anchor = /NVRM: ?Xid \(|NVRM:|nvidia-nvswitch\d{1,3}: SXid/.exec(row);
  const quoted = anchor ? parseMessage(row.slice(anchor.index)) : undefined;
  if (!quoted || quoted.kind === 'nvrm_other') return [];
  const { disagreement, ...verdict } = quoted.verdict;
  const said = {
    ...verdict,
    confidence: 'low' as const,
    disagreement: [NOT_TAKEN, ...disagreement],
  };
  return [explainLine(row, { ...quoted, verdict: said })];
}

const NOT_TAKEN =
  'In a log this line would not be taken as an event: it does not begin with the message, so another program or a name in another message may have written it.';

/** `XID 95 Uncontained: FBHUB. RST: Yes; D-RST: No`: as a BMC or a tool repeats a line. */
function looseXid(row: string): Line | undefined {
  const found = /(?<!s)\bxid\b[\s:#=,(]{0,4}(\d{1,5})\)?[\s:,]*(.*)$/i.exec(row);
  if (!found) return undefined;
  const text = (found[2] ?? '').replaceAll(';', ',');
  const line = parseXidLine(`NVRM: Xid (PCI:0000:00:00): ${found[1]}, ${text}`);
  if (!line) return undefined;
  const { pci_raw: _unknown, ...details } = line.details;
  return { ...line, pci: null, details };
}

/** A number that someone wants explained. */
interface Query {
  readonly text: string;
  readonly family: 'xid' | 'sxid';
  readonly code: number;
  readonly sub: string | undefined;
}

/** The numbers of a row that holds nothing else; empty where it holds more. */
function numbersIn(row: string): Query[] {
  const words = row
    .replaceAll(/\b(s?xids?)(?=\d)/gi, '$1 ')
    .split(/[\s,;:#=/]+|\band\b|\.(?=\d)/i)
    .filter(word => word !== '');
  const queries: Query[] = [];
  let family: 'xid' | 'sxid' | undefined;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const named = /^(s?xid)s?$/i.exec(word);
    if (named) {
      family = named[1]?.toLowerCase() === 'sxid' ? 'sxid' : 'xid';
      continue;
    }
    if (!/^\d{1,5}$/.test(word)) return [];
    const code = Number(word);
    const kind = family === 'sxid' || (family === undefined && code >= SXID_LEAST) ? 'sxid' : 'xid';
    const next = words[at + 1] ?? '';
    const sub = kind === 'xid' && subcodeOf(code, next) ? next : undefined;
    if (sub !== undefined) at += 1;
    queries.push({ text: sub === undefined ? word : `${word} ${sub}`, family: kind, code, sub });
  }
  return queries;
}

function explainNumber({ text, family, code, sub }: Query): Explanation {
  if (family === 'sxid') {
    return {
      query: text,
      ...sxidFacts(code),
      ...judgement(sxidVerdict(code, null)),
      decoded: null,
    };
  }
  const decoded = sub === undefined ? undefined : subcodeOf(code, sub);
  return {
    query: text,
    ...xidFacts(code),
    ...judgement({ ...xidVerdict(code), ...decoded?.verdict }),
    decoded: decoded ? { ...decoded.facts } : null,
  };
}

function explainLine(row: string, line: Line): Explanation {
  const { kind, pci, pid, process, mig, details, xid, sxid } = line;
  const facts =
    xid !== null
      ? xidFacts(xid)
      : sxid !== null
        ? sxidFacts(sxid)
        : { family: 'line' as const, code: null, mnemonic: null, ...OF_NO_CATALOGUE };
  return {
    query: plainText(row, 512),
    ...facts,
    ...judgement(line.verdict),
    decoded: { kind, pci, pid, process, mig, ...plainFacts(details) },
  };
}

const judgement = ({ title, meaning, action, advice, blame, severity, ...rest }: Verdict) => ({
  title,
  meaning,
  action,
  advice,
  blame,
  severity,
  confidence: rest.confidence,
  source: rest.source,
  disagreement: [...rest.disagreement],
});

const OF_NO_CATALOGUE = {
  edition: null,
  when: null,
  appliesTo: null,
  recovery154: null,
  treatedBy: null,
  opinions: [],
  notCatalogued: false,
};

function xidFacts(code: number) {
  const entry = xidEntry(code);
  return {
    family: 'xid' as const,
    code,
    mnemonic: entry?.mnemonic ?? null,
    edition: XID_EDITION,
    when: entry?.when ?? null,
    appliesTo: entry?.appliesTo ?? null,
    recovery154: entry?.recovery154 ?? null,
    treatedBy: entry ? { nvidia: entry.immediate, ...entry.treatedBy } : null,
    opinions: entry?.opinions ?? [],
    notCatalogued: entry === undefined,
  };
}

function sxidFacts(code: number) {
  const entry = sxidEntry(code);
  return {
    ...OF_NO_CATALOGUE,
    family: 'sxid' as const,
    code,
    mnemonic: entry?.mnemonic ?? null,
    edition: SXID_EDITION,
    treatedBy: entry
      ? {
          guide: entry.guide,
          driver: entry.printed,
          nvsentinel: entry.nvsentinel,
          gpud: entry.gpud,
        }
      : null,
    notCatalogued: entry === undefined,
  };
}

/**
 * What the second number of `149 4`, `145 0x4` or `154 2` says; undefined where it is none.
 * For 144 to 150 it is the reason of a link event or an error status, as tools print them.
 */
function subcodeOf(xid: number, word: string): Decoded | undefined {
  if (!/^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(word)) return undefined;
  const number = Number(word);
  if (xid === 154) return recovery(number);
  if (xid < 144 || xid > 150) return undefined;
  const rules = nvlink5Rules().filter(rule => rule.xid === xid);
  const byReason = rules.filter(rule => rule.reason === number && number > 0);
  const byStatus = rules.filter(rule => rule.errorStatus === number);
  // A small decimal is a reason where one exists, as in `149.4`; a hexadecimal is a status.
  const found = word.startsWith('0x') || byReason.length === 0 ? byStatus : byReason;
  if (found.length === 0) {
    return word.startsWith('0x') ? { facts: { subcode: word, rules: [] } } : undefined;
  }
  return ofRules(word, found, found === byReason ? byStatus : []);
}

function ofRules(
  word: string,
  found: readonly Nvlink5Rule[],
  others: readonly Nvlink5Rule[],
): Decoded {
  const worst =
    found.find(rule => rule.resolution === 'RESET_GPU') ??
    found.find(rule => rule.resolution === 'XID_154_EVAL') ??
    found[0];
  const agree = found.every(rule => rule.resolution === found[0]?.resolution);
  const verdict = worst
    ? byRule({ rule: worst, layout: 'v2', combined: false, resolution: worst.resolution })
    : {};
  return {
    facts: { subcode: word, rules: found.map(ruleFacts), also: others.map(ruleFacts) },
    verdict: agree ? verdict : { ...verdict, confidence: 'low' },
  };
}

const ruleFacts = (rule: Nvlink5Rule) => ({
  units: rule.units,
  error_status: `0x${rule.errorStatus.toString(16).padStart(8, '0')}`,
  reason_bits_25_20: rule.reason,
  resolution: rule.resolution,
  ...(rule.secondAction
    ? {
        second_action: `${rule.secondAction.action} where bit ${rule.secondAction.v2Bit} is set (${rule.secondAction.v1Bit} before R575)`,
      }
    : {}),
  investigatory: rule.investigatory,
  severity: rule.severity,
  hw_sw: rule.hwSw,
  effect: rule.effect,
});

function recovery(code: number): Decoded | undefined {
  const demand = RECOVERY_ACTIONS[code];
  if (!demand) return undefined;
  const text = `GPU recovery action changed from 0x0 (None) to 0x${code.toString(16)} (${demand.name})`;
  const decoded = decodeFirmware(text, 154);
  return decoded?.verdict
    ? { facts: { to_code: code, to_label: demand.name }, verdict: decoded.verdict }
    : undefined;
}

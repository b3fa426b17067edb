import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { Action, Blame, Confidence, Severity } from '../contract/finding.ts';
import { plainText } from '../contract/untrusted.ts';
import { xidEntry, xidVerdict } from './catalogue.ts';
import { subcodeOf } from './explain-subcode.ts';
import { plainFacts } from './occurrence.ts';
import { parseMessage } from './parse.ts';
import { sxidEntry, sxidVerdict } from './sxid-catalogue.ts';
import type { Line, Verdict } from './verdict.ts';
import { parseXidLine } from './xid-line.ts';

/** What a number or a line means and what to do. */
export const Explanation = z.strictObject({
  /** The part of the question that this answers, made plain. */
  query: z.string(),
  family: z.enum(['xid', 'sxid', 'line']),
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
  /** Where NVIDIA's documents and other tools disagree. */
  disagreement: z.array(z.string()),
  /** How others treat the number (device plugin, GKE, EKS, ...); null where none is known. */
  treatedBy: z.record(z.string(), z.string().nullable()).nullable(),
  /** What was read from a pasted line or a sub-code. */
  decoded: z.record(z.string(), z.unknown()).nullable(),
  /** The number is in no catalogue that this program carries. */
  notCatalogued: z.boolean(),
});
export type Explanation = z.infer<typeof Explanation>;

const QUERY_CHARACTERS_MAX = 65_536;
const ANSWERS_MAX = 64;

/**
 * Explains numbers (`79`, `149 4`, `SXid 12028`, several of them) and pasted kernel lines.
 *
 * @throws UsageError where nothing in the text is a number or a line that we know.
 */
export function explain(query: string): Explanation[] {
  if (query.length > QUERY_CHARACTERS_MAX) {
    throw new UsageError('the text is too long to explain', 'use analyze for whole logs');
  }
  const rows = query.split('\n').filter(row => row.trim() !== '');
  const answers = rows.flatMap(row => explainRow(row.trim())).slice(0, ANSWERS_MAX);
  if (answers.length > 0) return answers;
  throw new UsageError(
    `"${plainText(query, 80)}" is no XID, SXid or kernel line that can be explained`,
    'write a number (79), a number with its sub-code (149 4), SXid 12028, or paste the line',
  );
}

/** The words of a command line as one question: bare numbers belong together (`149 4`). */
export const queryOf = (words: readonly string[]): string =>
  words.join(words.every(word => /^[\w.,;:#]+$/.test(word)) ? ' ' : '\n');

function explainRow(row: string): Explanation[] {
  const pasted = lineIn(row);
  if (pasted) return [explainLine(row, pasted)];
  const numbers = numbersIn(row);
  if (numbers.length > 0) return numbers.map(explainNumber);
  const loose = looseXid(row);
  return loose ? [explainLine(row, loose)] : [];
}

/** Whoever pastes a line means it: what stands before its anchor does not matter here. */
function lineIn(row: string): Line | undefined {
  const anchor =
    /NVRM:|nvidia-nvswitch\d{1,3}: SXid|\S{1,16}\[\d{1,7}\]: segfault at|\S{1,16} invoked oom-/.exec(
      row,
    );
  return parseMessage(anchor ? row.slice(anchor.index) : row);
}

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

const SXID_LEAST = 10_000;

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
        : {
            family: 'line' as const,
            code: null,
            mnemonic: null,
            treatedBy: null,
            notCatalogued: false,
          };
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

function xidFacts(code: number) {
  const entry = xidEntry(code);
  return {
    family: 'xid' as const,
    code,
    mnemonic: entry?.mnemonic ?? null,
    treatedBy: entry ? { nvidia: entry.immediate, ...entry.treatedBy } : null,
    notCatalogued: entry === undefined,
  };
}

function sxidFacts(code: number) {
  const entry = sxidEntry(code);
  return {
    family: 'sxid' as const,
    code,
    mnemonic: entry?.mnemonic ?? null,
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

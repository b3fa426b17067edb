import * as z from 'zod';
import type { Action, Severity } from '../contract/finding.ts';
import { SXID_EDITION } from './editions.ts';
import catalogue from './sxid-catalogue.json' with { type: 'json' };
import type { Verdict } from './verdict.ts';

/**
 * How a number is judged. The guide (Fabric Manager user guide, appendix D) comes before the
 * driver's printed word: `despite-word` prints Non-fatal and stalls traffic all the same.
 */
const SXID_VERDICTS = [
  'always-fatal',
  'fatal',
  'despite-word',
  'by-word',
  'non-fatal',
  'fatal-unworded',
  'thermal',
  'thermal-shutdown',
  'unprinted-fatal',
  'unprinted-non-fatal',
  'unclassified',
] as const;

/** SXids have five digits; no XID has. */
export const SXID_LEAST = 10_000;

export const SxidEntry = z.strictObject({
  code: z.int().min(SXID_LEAST).max(99_999),
  mnemonic: z.string().regex(/^[A-Z0-9_]+$/i),
  unit: z.string(),
  title: z.string().min(3).max(120),
  verdict: z.enum(SXID_VERDICTS),
  /** The severity word of the driver's message; null where no print call was found. */
  printed: z.string().nullable(),
  guide: z.enum(['always-fatal', 'fatal', 'non-fatal', 'other-notable']).nullable(),
  nvsentinel: z.string().nullable(),
  gpud: z.string().nullable(),
  contradictions: z.array(z.string()),
  source: z.array(z.string()).min(1),
});
export type SxidEntry = z.infer<typeof SxidEntry>;
type SxidVerdict = SxidEntry['verdict'];

export const SXID_SOURCES: Readonly<Record<string, string>> = catalogue.sources;

let rows: ReadonlyMap<number, unknown> | undefined;

/** The entry of a number; undefined where the catalogue has none. */
export function sxidEntry(code: number): SxidEntry | undefined {
  rows ??= new Map(catalogue.entries.map(row => [row.code, row]));
  const row = rows.get(code);
  return row === undefined ? undefined : SxidEntry.parse(row);
}

/** All entries in ascending order: for documents and tests. */
export const allSxidEntries = (): SxidEntry[] => catalogue.entries.map(row => SxidEntry.parse(row));

/**
 * What an SXid says, by the guide first and the printed word where the guide leaves it to the word.
 *
 * @param printed `Fatal`, `Non-fatal`, `Correctable` as on the line; null where it has none.
 */
export function sxidVerdict(code: number, printed: string | null): Verdict {
  const entry = sxidEntry(code);
  const fatal = printed === 'Fatal';
  const judged = judge(entry?.verdict ?? 'unclassified', { fatal, worded: printed !== null });
  const special = SPECIAL[code];
  return {
    ...judged,
    ...special,
    blame: 'fabric',
    title: entry ? entry.title : `not in the catalogue (edition ${SXID_EDITION})`,
    meaning: special?.meaning ?? judged.meaning,
    source:
      entry?.verdict === 'despite-word'
        ? 'Fabric Manager user guide, which lists it as non-fatal and says that traffic stalls'
        : entry?.guide
          ? `Fabric Manager user guide (${entry.guide})`
          : entry
            ? `the driver's word${printed ? ` (${printed})` : ''}; the guide does not list it`
            : `no entry in the catalogue (edition ${SXID_EDITION})`,
    disagreement: entry?.contradictions ?? [],
  };
}

type Judged = Pick<Verdict, 'confidence' | 'meaning' | 'advice'> & {
  action: Action;
  severity: Severity;
};

function judge(
  verdict: SxidVerdict,
  { fatal, worded }: { readonly fatal: boolean; readonly worded: boolean },
): Judged {
  switch (verdict) {
    case 'always-fatal':
      return {
        action: 'reboot_node',
        severity: 'critical',
        confidence: 'high',
        meaning: 'The switch reported an error that always stops the whole fabric.',
        advice: 'Drain and reboot the node, or reset all GPUs and NVSwitches together.',
      };
    case 'fatal':
    case 'despite-word':
      return PORT_FATAL;
    case 'fatal-unworded':
      return { ...PORT_FATAL, confidence: 'medium' };
    case 'unprinted-fatal':
      // No print call of today's driver is known: an older one's own word counts, if it has one.
      return fatal || !worded
        ? { ...PORT_FATAL, confidence: 'low' }
        : { ...UNKNOWN, severity: 'warning' };
    case 'by-word':
      return byWord(fatal);
    case 'thermal':
      return {
        action: 'watch',
        severity: 'warning',
        confidence: 'high',
        meaning: 'A switch or cable module reached a temperature limit or came back below it.',
        advice: 'Check the cooling of the machine; links may run narrower while it lasts.',
      };
    case 'thermal-shutdown':
      return {
        action: 'power_cycle',
        severity: 'critical',
        confidence: 'high',
        meaning: 'A switch or cable module shut down because it was too hot.',
        advice: 'Drain the node, repair its cooling, and power-cycle it.',
      };
    case 'unclassified':
      return fatal ? { ...PORT_FATAL, confidence: 'low' } : UNKNOWN;
    case 'non-fatal':
    case 'unprinted-non-fatal':
      return fatal ? { ...PORT_FATAL, confidence: 'low' } : HARMLESS;
  }
}

const byWord = (fatal: boolean): Judged =>
  fatal ? { ...PORT_FATAL, confidence: 'medium' } : HARMLESS;

const PORT_FATAL: Judged = {
  action: 'reset_gpu',
  severity: 'critical',
  confidence: 'high',
  meaning:
    'A port of the switch failed: the GPU behind it, or all that use the trunk, lose NVLink.',
  advice: 'Reset the GPUs of the fabric together; if a GPU failed just before, treat that first.',
};

const HARMLESS: Judged = {
  action: 'none',
  severity: 'info',
  confidence: 'high',
  meaning: 'The switch reported an error that it corrected or that needs nothing.',
  advice: 'Nothing to do; look at the link if the same port repeats it.',
};

const UNKNOWN: Judged = {
  action: 'watch',
  severity: 'info',
  confidence: 'low',
  meaning: 'No document says what this number asks for.',
  advice: 'Read the line; ask NVIDIA if work fails.',
};

/** Numbers that the guide speaks of one by one. */
const SPECIAL: Readonly<Record<number, Partial<Judged>>> = {
  20034: {
    meaning: 'An NVLink went down from its active state, nearly always because of another failure.',
    advice: 'Look for what failed first; then reset the GPU (H100) or restart its VM (A100).',
  },
  20012: { action: 'watch', severity: 'warning', advice: 'Check the connections of this link.' },
  20009: { action: 'watch', severity: 'warning', advice: 'Check the connections of this link.' },
  20010: { action: 'watch', severity: 'warning', advice: 'Check the connections of this link.' },
  19084: {
    meaning: 'A heartbeat inside the switch stopped, usually together with a fatal error.',
    advice: 'Reset all GPUs and NVSwitches together.',
  },
  11004: {
    action: 'reboot_node',
    meaning:
      'The switch refused traffic by its routing rules; GPU work hangs and ends with XID 45.',
    advice: 'Check the partition routing of Fabric Manager, then restart the VM or the node.',
  },
  12028: {
    action: 'reboot_node',
    meaning: 'The switch could not pass a request on; GPU work hangs and ends with XID 45.',
    advice: 'Restart the VM, or on bare metal the node.',
  },
  22013: { meaning: 'A link was requested down: noise of starting up, which can be ignored.' },
  10005: { action: 'none', severity: 'info', meaning: 'The switch is below its limit again.' },
  28002: {
    action: 'none',
    severity: 'info',
    meaning: 'The cable module is below its limit again.',
  },
  28004: {
    action: 'none',
    severity: 'info',
    meaning: 'The cable module is below its limit again.',
  },
};

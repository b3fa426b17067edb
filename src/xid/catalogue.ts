import * as z from 'zod';
import { Action, Blame, Severity } from '../contract/finding.ts';
import catalogue from './catalogue.json' with { type: 'json' };
import { XID_EDITION } from './editions.ts';
import { ACTION_OF, NVIDIA_ACTIONS } from './nvidia-actions.ts';
import type { Verdict } from './verdict.ts';

/** How others treat the same number, in their own words; null where they have no rule for it. */
export const TreatedBy = z.strictObject({
  /** What a Kubernetes device plugin of NVIDIA does when NVML reports it. */
  devicePlugin: z.enum(['ignored', 'unhealthy']),
  gke: z.enum(['unhealthy', 'condition']).nullable(),
  eks: z.enum(['fatal', 'warning']),
  dcgm: z.string().nullable(),
  nvsentinel: z.string().nullable(),
  gpud: z.string().nullable(),
});
export type TreatedBy = z.infer<typeof TreatedBy>;

const sentence = z.string().regex(/^[A-Z][^\n]*\.$/);

/** One XID: facts of the sources, and our sentences on them. */
export const XidEntry = z.strictObject({
  code: z.int().positive(),
  mnemonic: z.string().regex(/^[A-Z0-9_]+$/),
  title: z.string().min(3).max(90),
  /** NVIDIA's words; null where the catalogue has none. */
  immediate: z.enum(NVIDIA_ACTIONS).nullable(),
  investigatory: z.string().nullable(),
  /** NVIDIA lists the number as unused: not classified. */
  unused: z.boolean(),
  /** NVIDIA says in a sentence what to do, without an action word. */
  guided: z.boolean(),
  /** GPUs that can print it, by NVIDIA's columns; null where NVIDIA lists no such number. */
  appliesTo: z.array(z.enum(['A100', 'H100', 'B100', 'GB200'])).nullable(),
  /** The driver branch from which an XID 154 goes with it; null where none is promised. */
  recovery154: z.string().nullable(),
  /** When it comes, after NVIDIA's trigger conditions. */
  when: sentence.nullable(),
  /** Our action, only where NVIDIA has published none. */
  action: Action.nullable(),
  severity: Severity,
  blame: Blame,
  summary: sentence,
  advice: sentence,
  /** What documents before the catalogue called it. */
  legacy: z.string().nullable(),
  treatedBy: TreatedBy,
  /** Where NVIDIA's own documents and headers differ. */
  contradictions: z.array(sentence),
  /** Where other tools, of NVIDIA and of others, decide otherwise. */
  opinions: z.array(sentence),
  edition: z.string(),
  /** Keys of the file's table of sources. */
  source: z.array(z.string()).min(1),
});
export type XidEntry = z.infer<typeof XidEntry>;

export const XID_SOURCES: Readonly<Record<string, string>> = catalogue.sources;

let rows: ReadonlyMap<number, unknown> | undefined;
const checked = new Map<number, XidEntry>();

/** The entry of a number, checked at its first use; undefined where the catalogue has none. */
export function xidEntry(code: number): XidEntry | undefined {
  const remembered = checked.get(code);
  if (remembered) return remembered;
  rows ??= new Map(catalogue.entries.map(row => [row.code, row]));
  const row = rows.get(code);
  if (row === undefined) return undefined;
  const entry = XidEntry.parse(row);
  checked.set(code, entry);
  return entry;
}

/** All entries in ascending order: for documents and tests. */
export const allXidEntries = (): XidEntry[] => catalogue.entries.map(row => XidEntry.parse(row));

const verdicts = new Map<number, Verdict>();

/** What the catalogue alone says of a number; an unknown number is told as such, never as fatal. */
export function xidVerdict(code: number): Verdict {
  const remembered = verdicts.get(code);
  if (remembered) return remembered;
  const entry = xidEntry(code);
  const verdict = entry ? verdictOf(entry) : uncatalogued(code);
  // Numbers come from the log: only the catalogue's own are worth remembering.
  if (entry) verdicts.set(code, verdict);
  return verdict;
}

function verdictOf(entry: XidEntry): Verdict {
  const { immediate } = entry;
  return {
    action: entry.action ?? (immediate === null ? 'watch' : ACTION_OF[immediate]),
    severity: entry.severity,
    blame: entry.blame,
    confidence:
      entry.unused || immediate === null
        ? 'low'
        : entry.severity === 'critical'
          ? 'high'
          : 'medium',
    title: entry.title,
    meaning: entry.summary,
    advice: entry.advice,
    source: sourceOf(entry),
    disagreement: entry.contradictions,
  };
}

function sourceOf(entry: XidEntry): string {
  if (entry.guided) return `NVIDIA's guidance in its catalogue (edition ${entry.edition})`;
  if (entry.immediate === null) return "this project's reading: NVIDIA has published no action";
  const word = `${entry.immediate} in NVIDIA's catalogue (edition ${entry.edition})`;
  return entry.unused ? `${word}, its default for numbers that it does not classify` : word;
}

function uncatalogued(code: number): Verdict {
  return {
    action: 'watch',
    severity: 'info',
    blame: 'unknown',
    confidence: 'low',
    title: `not in the catalogue (edition ${XID_EDITION})`,
    meaning: `XID ${code} is not in the catalogue (edition ${XID_EDITION}): it may be newer than this program.`,
    advice:
      "Read the line, look for the number in NVIDIA's present catalogue, and ask NVIDIA if work fails.",
    source: `no entry in the catalogue (edition ${XID_EDITION})`,
    disagreement: [],
  };
}

import * as z from 'zod';
import { Action, Blame } from '../contract/finding.ts';
import { xidVerdict } from '../xid/catalogue.ts';
import { parseMessage } from '../xid/parse.ts';
import { weighedText } from '../xid/pasted-texts.ts';
import { heaviest, type TextFinder, textFinder } from '../xid/text-finder.ts';
import table from './job-texts.json' with { type: 'json' };

const sentence = z.string().regex(/^\S[^\n]*\.$/);

/** A text of a program or its launcher, and what part it plays in a failure; from where: test/job-log/text-sources.json. */
export const JobText = z.strictObject({
  id: z.string().regex(/^[a-z][\w-]*$/),
  /** In lower case; the parts around `…` have to follow one another. */
  texts: z.array(z.string().min(4)).min(1),
  /** Exceptions whose class alone says it. */
  classes: z.array(z.string()).exactOptional(),
  role: z.enum(['cause', 'consequence', 'report']),
  layer: Blame,
  action: Action,
  title: z.string().min(3).max(90),
  advice: sentence,
});
type JobText = z.infer<typeof JobText>;

export type Meaning = Omit<JobText, 'texts' | 'classes'>;

let checked: readonly JobText[] | undefined;

/** All rows, checked at the first use. */
export function allJobTexts(): readonly JobText[] {
  checked ??= z.array(JobText).parse(table.entries);
  return checked;
}

/** Of src/xid/pasted-texts.json: what tells of another process, not of the one that wrote it. */
export const CONSEQUENCES: ReadonlySet<string> = new Set(table.consequences);

/** A line of NVIDIA's driver that the program, or whoever started it, printed into this log. */
const DRIVER_LINE = /\b(?:NVRM: Xid|nvidia-nvswitch\d{1,3}: SXid) \(/;
/** A channel that the driver ended, and what it asks for: both come after an error. */
const AFTER_AN_ERROR: ReadonlySet<number> = new Set([45, 154]);

/** What the catalogue says of a driver's line; XID 79 has a row of the table. */
function driverMeaning(text: string): Meaning | undefined {
  const begin = text.search(DRIVER_LINE);
  const found = begin < 0 ? undefined : parseMessage(text.slice(begin));
  const code = found?.xid ?? found?.sxid;
  if (!found || code === undefined || code === null || code === 79) return undefined;
  const before = found.details['caused_by_xid'];
  const named = typeof before === 'number' && !AFTER_AN_ERROR.has(before) ? before : undefined;
  const { blame, title } = named === undefined ? found.verdict : xidVerdict(named);
  const ends = found.role === 'notice' || found.role === 'clear' || AFTER_AN_ERROR.has(code);
  return {
    id: `${found.xid === null ? 'sxid' : 'xid'}-${named ?? code}`,
    role: ends && named === undefined ? 'consequence' : 'cause',
    layer: blame,
    action: 'watch',
    title: `${found.xid === null ? 'SXid' : 'XID'} ${named ?? code}: ${title}`,
    advice: 'Only the driver and the kernel log prove it: triage_gpu_node.',
  };
}

/** Whether a line may be a report. */
export function mayReport(line: string): boolean {
  reports ??= textFinder(allJobTexts().filter(({ role }) => role === 'report'));
  return reports(line.toLowerCase()).length > 0;
}
let reports: TextFinder<JobText> | undefined;

let finder: TextFinder<JobText> | undefined;
const found: TextFinder<JobText> = text => {
  finder ??= textFinder(allJobTexts());
  return finder(text);
};

/** Who loads or starts something, or gives up by its own check, passes on why. */
const WRAPS = /^(?:model-load|container-start|assertion)$/;

/**
 * What a line means: by the catalogue where the driver wrote it, else by its exception's class or the
 * longest text that fits; undefined where none does.
 */
export function meaningOf(line: string, exception?: string): Meaning | undefined {
  const driver = driverMeaning(line);
  if (driver) return driver;
  const byClass =
    exception === undefined
      ? undefined
      : allJobTexts().find(({ classes }) => classes?.includes(exception));
  if (byClass) return byClass;
  // A text that ends with a blank ends with a word.
  const rows = found(`${line.toLowerCase()} `);
  const within = rows.filter(({ row }) => !WRAPS.test(row.id));
  const own = heaviest(within.length > 0 ? within : rows);
  const common = weighedText(line);
  const isOwn = own && own.weight > (common?.weight ?? 0);
  if (!common || (isOwn && !WRAPS.test(own.row.id))) return own?.row;
  return { ...common.row, role: CONSEQUENCES.has(common.row.id) ? 'consequence' : 'cause' };
}

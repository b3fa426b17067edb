import type { Check, CheckState, DoctorReport } from '../contract/doctor.ts';
import {
  type Block,
  type Document,
  faint,
  type Group,
  section,
  type Tone,
  text,
} from './document.ts';

/** The doctor's report as a page: the verdict, then what stops a session, then the rest. */
export function doctorPage(report: DoctorReport): Document {
  const { verdict, node, context, server, namespace, takenAt, counts, checks, summary } = report;
  const where = [
    context === null ? server : `context ${context}`,
    namespace === null ? null : `namespace ${namespace}`,
    `${takenAt.slice(11, 19)} UTC`,
  ];
  const all = counts.failed + counts.unknown + counts.warning + counts.ok;
  return {
    title: node === null ? 'doctor' : `doctor: ${node}`,
    headline: {
      verdict: { text: VERDICTS[verdict], tone: TONES[verdict] },
      node: node ?? 'cluster',
      extent: `${counts.ok} of ${all} checks passed`,
      origin: where.filter(one => one !== null).join(', '),
      isReal: true,
    },
    groups: [[text(summary)], ...groupsOf(checks)],
  };
}

const ORDER = ['failed', 'warning', 'unknown', 'ok'] as const satisfies readonly CheckState[];

const VERDICTS: Readonly<Record<CheckState, string>> = {
  failed: 'BLOCKED',
  unknown: 'NOT PROVEN',
  warning: 'WARNING',
  ok: 'READY',
};
const TONES: Readonly<Record<CheckState, Tone>> = {
  failed: 'critical',
  unknown: 'unknown',
  warning: 'warning',
  ok: 'healthy',
};
const MARKS: Readonly<Record<CheckState, string>> = {
  failed: 'FAIL',
  unknown: '?',
  warning: 'WARN',
  ok: 'ok',
};

const MARK_COLUMNS = Math.max(...Object.values(MARKS).map(mark => mark.length));
/** The longest name of a check. */
const NAME_COLUMNS = 'image-platform'.length;

/** The checks by their state; what several share (a reason, a cure) is said once. */
function groupsOf(checks: readonly Check[]): readonly Group[] {
  const told = new Set<string>();
  return ORDER.map(state => {
    const rows = folded(checks.filter(check => check.state === state));
    return rows.flatMap((row, index) => {
      const cure = cureOf(row.check);
      const next = rows[index + 1];
      const isLast = next === undefined || cureOf(next.check) !== cure;
      const isNew = isLast && !told.has(cure);
      if (isNew) told.add(cure);
      return [rowBlock(state, row), ...(isNew ? cureBlocks(row.check) : [])];
    });
  });
}

interface Row {
  readonly names: readonly string[];
  readonly check: Check;
}

/** Checks with the same words are one row. */
function folded(checks: readonly Check[]): readonly Row[] {
  const wordsOf = (check: Check) => [check.message, check.hint, cureOf(check)].join('\n');
  const rows = Map.groupBy(checks, wordsOf);
  return [...rows.values()].flatMap(same => {
    const [check] = same;
    return check ? [{ names: same.map(({ id }) => id), check }] : [];
  });
}

function rowBlock(state: CheckState, { names, check }: Row): Block {
  const isOne = names.length === 1;
  const name = isOne ? check.id : `${names.length} checks`;
  return section(`${MARKS[state].padEnd(MARK_COLUMNS)}  ${name.padEnd(NAME_COLUMNS)}`, [
    text(check.message, ...(isOne ? [] : [faint(` (${names.join(', ')})`)])),
    ...(check.hint === undefined ? [] : [text('try: ', check.hint)]),
  ]);
}

const cureOf = ({ commands = [], adminCommands = [] }: Check) =>
  [...commands, ...adminCommands].join('\n');

function cureBlocks({ commands = [], adminCommands = [] }: Check): readonly Block[] {
  const below = (blocks: readonly Block[]) => (blocks.length === 0 ? [] : [section('', blocks)]);
  const lines = (words: readonly string[]): readonly Block[] =>
    words.map(command => ({ kind: 'command', command }));
  return [
    ...below(lines(commands)),
    ...below(adminCommands.length === 0 ? [] : [text(faint('an admin:')), ...lines(adminCommands)]),
  ];
}

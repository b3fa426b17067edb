/** One line of the table, and the numbers that it was made of. */
export interface Row {
  readonly name: string;
  readonly ours: string;
  /** Why there are no numbers: stands below the table. */
  readonly note?: string;
  readonly peer?: string;
  readonly ratio?: number;
  readonly goal?: string;
  /** Absent: no goal, or not measured. */
  readonly met?: boolean;
  /** Every number taken, by what it is, with its unit in the name. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

/** A row that could not be measured here, with the reason; it is no failure. */
export class NotMeasured extends Error {
  override name = 'NotMeasured';
}

const HEADINGS = ['name', 'ours', 'peer', 'ratio', 'goal', 'met'];

/** The table as plain text, columns aligned. */
export function tableOf(rows: readonly Row[]): string {
  const cells = [
    HEADINGS,
    ...rows.map(({ name, ours, peer, ratio, goal, met }) => [
      name,
      ours,
      peer ?? '',
      ratio === undefined ? '' : `${ratio.toFixed(2)}x`,
      goal ?? '',
      met === undefined ? '' : met ? 'yes' : 'NO',
    ]),
  ];
  const widths = HEADINGS.map((_, column) =>
    Math.max(...cells.map(line => line[column]?.length ?? 0)),
  );
  const lines = cells.map(line =>
    line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '),
  );
  const notes = rows.flatMap(({ name, note }) => (note === undefined ? [] : [`${name}: ${note}`]));
  return [...lines, ...notes].map(line => `${line.trimEnd()}\n`).join('');
}

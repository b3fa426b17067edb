import { expect, test } from 'vitest';
import type { Action } from '../../src/contract/finding.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { REAL_INCIDENTS, type RealLine, realLine, record } from './fixtures.ts';

/** The verdicts of the fixtures in our vocabulary. */
const ACTIONS: Readonly<Record<string, Action>> = {
  reset_gpu_then_support: 'reset_gpu',
  drain_and_reset: 'drain_and_reset',
  reboot_node: 'reboot_node',
  restart_app_then_reset_gpu_if_it_repeats: 'restart_app',
};

/** A record as its source dates it: by boot clock, by wall clock, or not at all. */
function dated({ message, expect: { ts } }: RealLine, line: number) {
  if (ts?.boot_s !== undefined) return record(message, line, { bootSeconds: Number(ts.boot_s) });
  const wall = Date.parse(`${ts?.wall_text ?? ''} UTC`);
  return record(message, line, Number.isNaN(wall) ? {} : { timeMs: wall, timeUncertaintyMs: 1000 });
}

test.each(REAL_INCIDENTS.map(incident => [incident.name, incident] as const))(
  '%s is one incident with its root and action',
  (_, real) => {
    const analysis = createAnalysis();
    for (const [index, id] of real.lines.entries()) analysis.see(dated(realLine(id), index + 1));
    const { incidents } = analysis.finish();
    expect(incidents).toHaveLength(real.incidents);
    expect(incidents[0]).toMatchObject({
      root: { kind: 'xid', ...real.root },
      action: ACTIONS[real.action],
      gpu: real.root.pci,
      firstLine: 1,
      lastLine: real.lines.length,
      lines: real.lines.map((_id, index) => index + 1),
    });
  },
);

test.each(REAL_INCIDENTS.map(incident => [incident.name, incident] as const))(
  '%s is the same incident in a text without times',
  (_, real) => {
    const analysis = createAnalysis();
    for (const [index, id] of real.lines.entries()) {
      analysis.see(record(realLine(id).message, index + 1));
    }
    const { incidents } = analysis.finish();
    expect(incidents.map(({ root, action }) => ({ xid: root.xid, pci: root.pci, action }))).toEqual(
      [{ ...real.root, action: ACTIONS[real.action] }],
    );
  },
);

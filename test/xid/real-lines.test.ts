import { expect, test } from 'vitest';
import type { Action, Blame } from '../../src/contract/finding.ts';
import { parseMessage } from '../../src/xid/parse.ts';
import { REAL_LINES } from './fixtures.ts';

const concerning = REAL_LINES.filter(line => line.expect.kind !== 'other');

test('the fixtures hold 81 real lines', () => {
  expect(REAL_LINES).toHaveLength(81);
});

test.each(concerning.map(line => [line.id, line] as const))('%s is parsed whole', (_, real) => {
  const parsed = parseMessage(real.message);
  const { kind, pci, xid, sxid, pid, process, sub, detail, pci_raw, function: fn } = real.expect;
  const { device, gpu_index } = real.expect;
  expect(parsed).toMatchObject({
    kind,
    pci,
    xid: xid ?? null,
    sxid: sxid ?? null,
    pid: pid ?? null,
    process: process ?? null,
  });
  const facts = { detail, pci_raw, function: fn, device, gpu_index };
  const given = Object.entries(facts).filter(([, value]) => value !== undefined);
  expect(parsed?.details).toMatchObject({ ...Object.fromEntries(given), ...sub });
  // Not one fact of the line that the expectation does not know.
  const extra = Object.keys(parsed?.details ?? {}).filter(
    name => !(name in sub) && !(name in facts),
  );
  expect(extra).toEqual([]);
});

test.each(REAL_LINES.filter(line => line.expect.kind === 'other').map(line => line.message))(
  'no event: %s',
  message => {
    expect(parseMessage(message)).toBeUndefined();
  },
);

/** Each verdict of the fixtures in our vocabulary. */
const ACTIONS: Readonly<Record<string, readonly Action[]>> = {
  none: ['none'],
  reset_gpu: ['reset_gpu'],
  restart_app: ['restart_app'],
  reboot_node: ['reboot_node'],
  drain_and_reset: ['drain_and_reset'],
  contact_support: ['contact_support'],
  use_for_identity: ['none'],
  none_driver_too_old: ['none'],
  reset_or_reboot_then_support: ['reset_gpu'],
  reset_gpu_h100_or_restart_vm_a100: ['reset_gpu'],
  none_companion_of_previous_line: ['none'],
  companion: ['none'],
  investigate_link: ['reset_gpu'],
  follow_xid_154: ['watch'],
  none_for_gpu: ['none'],
  reload_module_or_reboot_or_match_versions: ['fix_configuration'],
  watch_rate: ['watch'],
  see_following_lines: ['none'],
};

/** Verdicts of the fixtures that edition 610 of NVIDIA's catalogue has overtaken, and why. */
const OVERTAKEN: Readonly<Record<string, readonly Action[]>> = {
  // 171 only qualifies an XID 48: NVIDIA lists no action for it.
  L088: ['watch'],
  // XID_154_EVAL without an XID 154 is RESTART_APP.
  L112: ['restart_app'],
};

/** What each class of the fixtures may be blamed on. */
const BLAMES: Readonly<Record<string, readonly Blame[]>> = {
  link: ['fabric'],
  informational: ['unknown'],
  driver_or_hardware: ['driver', 'hardware'],
  hardware: ['hardware'],
  legacy_numbering_uncertain: ['unknown'],
  app_or_hardware: ['application'],
  driver: ['driver'],
  driver_or_app: ['driver', 'application'],
  app: ['application'],
  hardware_handled: ['hardware'],
  display: ['unknown'],
  host_pcie: ['host', 'unknown'],
  config: ['configuration'],
  host_iommu: ['host', 'unknown'],
  host_hardware: ['host'],
  hardware_contained: ['hardware'],
};

test.each(concerning.map(line => [line.id, line.verdict.action, line] as const))(
  '%s asks for %s',
  (_, action, real) => {
    const verdict = parseMessage(real.message)?.verdict;
    const fallback = real.expect.sub['severity'] === 'Fatal' ? 'reset_gpu' : 'watch';
    const allowed =
      OVERTAKEN[real.id] ??
      (action === 'unmatched_rule_fall_back_to_printed_severity' ? [fallback] : ACTIONS[action]);
    expect(allowed).toContain(verdict?.action);
    expect(BLAMES[real.verdict.class]).toContain(verdict?.blame);
  },
);

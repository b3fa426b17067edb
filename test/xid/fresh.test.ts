import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { Blame } from '../../src/contract/finding.ts';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { record } from './fixtures.ts';

/**
 * Lines and incidents of public threads that no rule was written from, with what an engineer wrote
 * down before the run: see `source` of each.
 */
const read = (name: string): unknown[] =>
  readFileSync(new URL(`../fixtures/kernel-lines/${name}`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map(text => JSON.parse(text));

const Message = z.object({
  id: z.string(),
  source: z.string(),
  message: z.string(),
  expect: z.object({
    /** xid, sxid: such an event; fault: an incident; info: no incident; none: no event at all. */
    kind: z.enum(['xid', 'sxid', 'fault', 'info', 'none']),
    pci: z.string().nullable(),
    xid: z.int().nullable(),
    sxid: z.int().nullable(),
  }),
  class: z.string(),
  actions: z.array(z.string()),
});

const FreshIncident = z.object({
  name: z.string(),
  source: z.string(),
  records: z.array(
    z.object({
      message: z.string(),
      bootSeconds: z.number().optional(),
      time: z.string().optional(),
    }),
  ),
  root: z.object({ xid: z.int().nullable(), pci: z.string().nullable() }),
  incidents: z.array(z.int()),
  actions: z.array(z.string()),
  blames: z.array(z.string()),
  why: z.string(),
});

const MESSAGES = z.array(Message).parse(read('fresh-messages.jsonl'));
const INCIDENTS = z.array(FreshIncident).parse(read('fresh-incidents.jsonl'));

/** What each class may be blamed on; a class that is absent may be blamed on anything. */
const BLAMES: Readonly<Record<string, readonly Blame[]>> = {
  app: ['application'],
  driver: ['driver', 'unknown'],
  driver_or_hardware: ['driver', 'hardware'],
  hardware: ['hardware'],
  hardware_or_driver: ['hardware', 'driver'],
  hardware_contained: ['hardware'],
  hardware_handled: ['hardware'],
  link: ['fabric', 'driver'],
  fabric: ['fabric'],
  app_or_link: ['application', 'fabric'],
  host_pcie: ['host', 'hardware'],
  host_pcie_or_app: ['host', 'application'],
  config: ['configuration'],
};

function analyzed(records: readonly z.infer<typeof FreshIncident>['records'][number][]) {
  const analysis = createAnalysis();
  for (const [index, { message, bootSeconds, time }] of records.entries()) {
    analysis.see(
      record(message, index + 1, {
        bootSeconds: bootSeconds ?? null,
        ...(time === undefined ? {} : { timeMs: Date.parse(time), timeUncertaintyMs: 1_000 }),
      }),
    );
  }
  return analysis.finish();
}

describe('a fresh line', () => {
  test.each(MESSAGES.map(each => [each.id, each.expect.kind, each] as const))(
    '%s is read as %s',
    (_, kind, fresh) => {
      const { events, incidents } = analyzed(
        fresh.message.split('\n').map(message => ({ message })),
      );
      const [worst] = incidents;
      if (kind === 'none') {
        expect(events.filter(event => event.xid !== null || event.severity !== 'info')).toEqual([]);
        expect(incidents).toEqual([]);
      } else if (kind === 'info') {
        expect(incidents.filter(incident => incident.severity !== 'info')).toEqual([]);
      } else if (kind === 'fault') {
        expect(worst?.severity).toMatch(/critical|warning/);
        expect(fresh.actions).toContain(worst?.action);
        if (fresh.expect.pci !== null) expect(worst?.gpu).toBe(fresh.expect.pci);
        expect(BLAMES[fresh.class] ?? [worst?.blame]).toContain(worst?.blame);
      } else {
        const { pci, xid, sxid } = fresh.expect;
        const [event] = events;
        expect(event).toMatchObject({ pci, xid, sxid });
        expect(fresh.actions).toContain(event?.action);
        expect(BLAMES[fresh.class] ?? [event?.blame]).toContain(event?.blame);
      }
    },
  );
});

describe('a fresh incident', () => {
  test.each(INCIDENTS.map(each => [each.name, each] as const))('%s', (_, fresh) => {
    const { incidents } = analyzed(fresh.records);
    const grave = incidents.filter(({ severity }) => severity !== 'info');
    const [worst] = incidents;
    expect(fresh.incidents).toContain(incidents.length);
    expect(grave.length).toBeGreaterThan(0);
    expect(fresh.actions).toContain(worst?.action);
    expect(fresh.blames).toContain(worst?.blame);
    if (fresh.root.xid !== null) expect(worst?.root.xid).toBe(fresh.root.xid);
    if (fresh.root.pci !== null) expect(worst?.root.pci).toBe(fresh.root.pci);
  });
});

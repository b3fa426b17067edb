import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { MACHINE_NAMES } from '../../src/simulation/machine.ts';
import { TICKET_FORMATS } from '../../src/tools/support/ticket.ts';
import { holdsWhatWasRead, ticketFor } from './tickets.ts';

test.each(MACHINE_NAMES)('a ticket of %s holds what was read and nothing else', holdsWhatWasRead);

/** How a cloud names its machine: without one its fields of the instance have no source. */
const PROVIDER_IDS = {
  aws: 'aws:///us-east-1a/i-0abc',
  azure:
    'azure:///subscriptions/s-1/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v',
  gcp: 'gce://my-project/us-east5-a/gpu-1',
} as const;

test('every field that no simulated incident fills in is named in the docs as left to a person', async () => {
  const page = await readFile(new URL('../../docs/tickets.md', import.meta.url), 'utf8');
  for (const format of TICKET_FORMATS) {
    const filled = new Set<string>();
    const all = new Set<string>();
    const named = Object.entries(PROVIDER_IDS).find(([cloud]) => cloud === format)?.[1];
    for (const machine of MACHINE_NAMES) {
      const { ticket } = await ticketFor(machine, format, named);
      for (const { name, value } of ticket.fields) {
        const field = name
          .replace(/^GPU \S+ /, 'GPU N ')
          .replace(/^Kernel line \d+/, 'Kernel line N');
        all.add(field);
        if (value !== undefined) filled.add(field);
      }
    }
    const blank = [...all]
      .filter(name => !filled.has(name))
      .map(name => `\`${name}\``)
      .join(', ');
    expect(page).toContain(`| \`${format}\` | ${blank} |`);
  }
});

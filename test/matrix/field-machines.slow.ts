import { expect, test } from 'vitest';
import { diagnose } from '../../src/findings/diagnosis.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { factsFor } from '../fakes/facts.ts';
import { isSerious } from '../scenarios/scenario.ts';
import { FIELD_MACHINES } from './field-machines.ts';
import { PLATFORM_MACHINES } from './platform-machines.ts';
import { TICKET_MACHINES } from './ticket-machines.ts';

test.each([
  ['of the field', FIELD_MACHINES],
  ['of tickets', TICKET_MACHINES],
  ['of platforms', PLATFORM_MACHINES],
])(
  'machines %s: each fault is told by its own name, none that is well is accused',
  async (_, machines) => {
    const missed: string[] = [];
    const otherwise: string[] = [];
    const accused: string[] = [];
    for (const { name, machine, told, asRemark, mayBeUnknown } of machines) {
      const facts = await factsFor(machineFrom('field', { title: name, ...machine }));
      const { verdict, findings, gaps } = diagnose(facts);
      const serious = findings.filter(each => asRemark || isSerious(each)).map(({ id }) => id);
      const said = `${name}: ${verdict} ${[...serious, ...gaps].join('; ')}`;
      if (told === undefined) {
        if (serious.length > 0 || (verdict === 'unknown' && !mayBeUnknown)) accused.push(said);
      } else if (verdict === 'healthy' && !asRemark) missed.push(said);
      else if (![...serious, ...gaps].some(text => told.test(text))) otherwise.push(said);
    }
    const faults = machines.filter(({ told }) => told !== undefined).length;
    process.stdout.write(
      `${faults} faults: ${missed.length} healthy, ${otherwise.length} told as something else; ` +
        `${machines.length - faults} well: ${accused.length} accused\n`,
    );
    expect({ missed, otherwise, accused }).toEqual({ missed: [], otherwise: [], accused: [] });
  },
);

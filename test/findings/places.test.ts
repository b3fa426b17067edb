import { expect, test } from 'vitest';
import { mapReading } from '../../src/contract/reading.ts';
import { certainPlace, unaccountedPcis } from '../../src/findings/support/places.ts';
import { factsOf } from '../fakes/facts.ts';

test('the only GPU without an address is the only address without a GPU', async () => {
  expect(certainPlace(await factsOf('lost-gpu'))).toBe('0000:61:00');
});

test('with two addresses left over nobody guesses which one is the lost GPU', async () => {
  const facts = await factsOf('lost-gpu');
  const pciDevices = mapReading(facts.host.pciDevices, devices =>
    devices.flatMap(device =>
      device.pci === '0000:61:00' ? [device, { ...device, pci: '0000:62:00' }] : [device],
    ),
  );
  const two = { ...facts, host: { ...facts.host, pciDevices } };
  expect(unaccountedPcis(two)).toEqual(['0000:61:00', '0000:62:00']);
  expect(certainPlace(two)).toBeUndefined();
});

test('where the bus shows no GPU at all, the kernel log names the lost one', async () => {
  const facts = await factsOf('lost-gpu');
  const pciDevices = mapReading(facts.host.pciDevices, () => []);
  expect(certainPlace({ ...facts, host: { ...facts.host, pciDevices } })).toBe('0000:61:00');
});

import { expect, test } from 'vitest';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { PLACES, type Place, placeOf } from '../../src/xid/place.ts';
import { record } from './fixtures.ts';

const LOST =
  "NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.";
const HALT = 'NVRM: Xid (PCI:0000:3b:00): 62, 1d6e(35f8) 00000000 00000000';

function analyzed(texts: readonly string[], place?: Place) {
  const analysis = createAnalysis({ place });
  for (const [index, text] of texts.entries()) analysis.see(record(text, index + 1));
  return analysis.finish();
}

// The DMI lines of boots on these machines.
test.each([
  ['Amazon EC2 p5.48xlarge/', 'aws'],
  ['Google Google Compute Engine/Google Compute Engine', 'gcp'],
  ['Microsoft Corporation Virtual Machine/Virtual Machine', 'azure'],
  ['NVIDIA DGXH100/DGXH100', 'bare-metal'],
  ['Supermicro SYS-421GE-TNRT3/X13DEG-OA', 'bare-metal'],
  ['QEMU Standard PC (Q35 + ICH9, 2009)', null],
])('%s stands at %s', (machine, place) => {
  expect(placeOf(machine)).toBe(place);
  expect(analyzed([`DMI: ${machine}, BIOS 1.0 10/16/2017`, LOST])).toMatchObject({ place });
});

test('what the kernel calls the machine is no event', () => {
  expect(analyzed(['DMI: Amazon EC2 p5.48xlarge/, BIOS 1.0 10/16/2017']).events).toEqual([]);
});

test('on bare metal somebody looks at the card', () => {
  expect(analyzed([LOST], 'bare-metal').incidents[0]?.advice).toMatch(
    /power, seating and temperature/,
  );
});

test.each(PLACES.filter(place => place !== 'bare-metal'))(
  'in %s nobody is sent to reseat it',
  place => {
    const [incident] = analyzed([LOST], place).incidents;
    expect(incident).toMatchObject({ action: 'reboot_node' });
    expect(incident?.advice).toMatch(/stop and start|report-host-as-faulty|az vm redeploy/);
    expect(incident?.advice).not.toMatch(/check power|seating/);
  },
);

test('on EC2 a reset of the GPU is a reboot of the instance', () => {
  const [incident] = analyzed([HALT], 'aws').incidents;
  expect(incident).toMatchObject({ root: { xid: 62 }, action: 'reboot_node' });
  expect(incident?.advice).toMatch(/--gpu-reset is not for EC2/);
});

test('a place that is given comes before what the log tells', () => {
  expect(analyzed(['DMI: Amazon EC2 p5.48xlarge/, BIOS 1.0', LOST], 'gcp').place).toBe('gcp');
});

/** What the log says, and the word of a remedy that nobody but the owner of the machine can take. */
const BY_HAND = [
  ['NVRM: Xid (PCI:0000:3b:00): 54, Auxiliary power is not connected', /power cables/],
  ['NVRM: Xid (PCI:0000:3b:00): 64, Row Remapper Error: x', /NVIDIA case/],
  ['pcieport 0000:3a:00.0: AER: Uncorrected (Fatal) error received: 0000:3b:00.0', /slot|riser/],
] as const;

test.each(BY_HAND.flatMap(([text, word]) => PLACES.map(place => [place, text, word] as const)))(
  'on %s a hand on the machine is whose it is: %s',
  (place, text, word) => {
    const [incident] = analyzed([text], place).incidents;
    const advice = incident?.advice ?? '';
    if (place === 'bare-metal') {
      expect(advice).toMatch(word);
      expect(advice).not.toMatch(/AWS|Google|Azure/);
    } else {
      expect(advice).toMatch(/stop and start|report-host-as-faulty|redeploy/);
    }
  },
);

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createAnalysis } from '../../src/xid/analysis.ts';
import { mayConcernUs } from '../../src/xid/anchors.ts';
import { Incident, KernelEvent } from '../../src/xid/events.ts';
import { explain } from '../../src/xid/explain.ts';
import { parseMessage } from '../../src/xid/parse.ts';
import { REAL_LINES, record } from './fixtures.ts';

const hex = (value: number, width: number) => value.toString(16).padStart(width, '0');
const two = (value: number) => String(value).padStart(2, '0');

/** A process name as the kernel keeps it: up to 15 characters of anything printable. */
const name = fc
  .string({ minLength: 1, maxLength: 15, unit: 'grapheme-ascii' })
  .filter(text => text.trim() === text && text !== '<unknown>' && !/[\x00-\x1f]/.test(text));

const TEXTS: readonly (readonly [xid: number, text: string])[] = [
  [43, 'Ch 00000010'],
  [45, 'channel 0x00000002'],
  [13, 'Graphics SM Warp Exception on (GPC 1, TPC 0, SM 1): Out Of Range Address'],
  [31, 'Ch 00000003, engmask 00000101, intr 10000000'],
  [
    69,
    'Class Error: ChId 0003, Class 00009197, Offset 00002480, Data 3c5f1928, ErrorCode 0000000c',
  ],
  [109, 'Ch 00000020, errorString CTX SWITCH TIMEOUT, Info 0xac00d'],
  [94, 'Contained: SM (0x1). RST: No, D-RST: No'],
  [63, 'Row Remapper: New row (0x0000000e9b9107e0) marked for remapping, reset gpu to activate.'],
  [79, 'GPU has fallen off the bus.'],
];

const legalLine = fc
  .record({
    domain: fc.integer({ min: 0, max: 0xf_ffff }),
    bus: fc.integer({ min: 0, max: 0xff }),
    device: fc.integer({ min: 0, max: 0x1f }),
    mig: fc.option(
      fc.record({
        gpuInstance: fc.integer({ min: 0, max: 99 }),
        computeInstance: fc.option(fc.integer({ min: 0, max: 99 })),
      }),
    ),
    owner: fc.option(
      fc.record({
        pid: fc.option(fc.integer({ min: 1, max: 4_194_304 })),
        process: fc.option(name),
      }),
    ),
    body: fc.constantFrom(...TEXTS),
  })
  .map(({ domain, bus, device, mig, owner, body: [xid, text] }) => {
    const instance = mig
      ? ` GPU-I:${two(mig.gpuInstance)}${mig.computeInstance === null ? '' : ` GPU-CI:${two(mig.computeInstance)}`}`
      : '';
    const pid = owner
      ? `pid=${owner.pid ?? "'<unknown>'"}, name=${owner.process ?? '<unknown>'}, `
      : '';
    const pci = `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}`;
    return {
      line: `NVRM: Xid (PCI:${pci}${instance}): ${xid}, ${pid}${text}`,
      values: {
        kind: 'xid',
        xid,
        pci,
        mig,
        pid: owner?.pid ?? null,
        process: owner?.process ?? null,
        detail: text,
      },
    };
  });

test('what a generator of legal lines prints is read back as it was', () => {
  fc.assert(
    fc.property(legalLine, ({ line, values: { detail, ...values } }) => {
      expect(parseMessage(line)).toMatchObject({ ...values, details: { detail } });
    }),
    { numRuns: 2_000 },
  );
});

test('whatever the text, reading it never throws', () => {
  const part = fc.constantFrom(
    ...REAL_LINES.map(line => line.message),
    'NVRM: Xid (PCI:',
    '): 79, ',
    'AER: ',
    'pid=',
    'name=',
    '0x',
    ' '.repeat(300),
    '\n',
    'nvidia-nvswitch0: SXid (PCI:0000:06:00.0): 20034, ',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc
      .array(fc.oneof(part, fc.string({ maxLength: 20 })), { maxLength: 6 })
      .map(parts => parts.join('')),
  );
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), texts => {
      const analysis = createAnalysis();
      for (const [index, each] of texts.entries()) analysis.see(record(each, index + 1));
      const { events, incidents } = analysis.finish();
      for (const event of events) KernelEvent.parse(event);
      for (const incident of incidents) Incident.parse(incident);
    }),
    { numRuns: 500 },
  );
});

test('explaining any text answers or says that it is no question', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 100 }), text => {
      try {
        expect(explain(text).length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toMatchObject({ name: 'UsageError' });
      }
    }),
    { numRuns: 500 },
  );
});

test('whatever is read has an anchor: the quick test before it loses nothing', () => {
  for (const { message, expect: expected } of REAL_LINES) {
    expect([message, mayConcernUs(message)]).toEqual([message, expected.kind !== 'other']);
  }
});

test('a line cut at any place loses at most its own event, and a wrong number is marked as cut', () => {
  const event = fc.record({
    lines: fc.array(legalLine, { minLength: 3, maxLength: 5 }),
    at: fc.nat(),
  });
  fc.assert(
    fc.property(event, ({ lines, at }) => {
      const victim = at % lines.length;
      const texts = lines.map(({ line }, index) =>
        index === victim ? line.slice(0, at % line.length) : line,
      );
      const analysis = createAnalysis();
      for (const [index, text] of texts.entries()) analysis.see(record(text, index + 1));
      const { events } = analysis.finish();
      for (const [index, { values }] of lines.entries()) {
        const found = events.find(each => each.line === index + 1);
        if (index !== victim) expect(found).toMatchObject({ xid: values.xid, pci: values.pci });
        else if (found?.xid != null && found.xid !== values.xid) {
          expect(found.details).toMatchObject({ truncated: true });
        }
      }
    }),
    { numRuns: 1_000 },
  );
});

test('a real line cut at any place is never read as another XID without saying so', () => {
  for (const { message, expect: expected } of REAL_LINES) {
    for (let end = 0; end < message.length; end += 1) {
      const found = parseMessage(message.slice(0, end));
      const other = found?.xid != null && found.xid !== expected['xid'];
      if (other)
        expect([message.slice(0, end), found.details['truncated']]).toEqual([
          message.slice(0, end),
          true,
        ]);
    }
  }
});

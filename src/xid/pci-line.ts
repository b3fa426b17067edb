import { pciKey } from '../contract/pci.ts';
import { LOST, MODULE_REFUSED, PROBE, RESUME_FAILED } from './driver-verdicts.ts';
import { note, ours } from './plain-verdict.ts';
import { isAtStart } from './provenance.ts';
import { type Line, line, type Verdict } from './verdict.ts';

const DEVICE = '(\\S{1,64}) ([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7])';

/**
 * What the PCI core says of one device, and of the driver that holds it: power states, containment
 * (DPC), slots (pciehp), drivers that fail to start. Of a device of NVIDIA's driver it is an event,
 * of others a line of the timeline.
 *
 * Forms: drivers/pci/pci.c, pcie/dpc.c, hotplug/pciehp_*.c, drivers/base/dd.c and
 * kernel/module/main.c of Linux 5.4 to 7.2.
 */
export function parsePciLine(message: string): Line | undefined {
  for (const [form, read] of FORMS) {
    const found = form.exec(message);
    if (found) return read(found);
  }
  return undefined;
}

type Form = readonly [form: RegExp, read: (found: RegExpExecArray) => Line];

const FORMS: readonly Form[] = [
  [
    new RegExp(
      `^${DEVICE}: (?:Unable to change power state from (D3\\w+|unknown) to D0, device inaccessible|can't change power state from (D3\\w+) to D0 \\(config space inaccessible\\)|not ready \\d+ms after [\\w ]{2,40}; (giving up))`,
    ),
    ([, driver = '', raw = '', from, old]) =>
      device('pci_inaccessible', {
        driver,
        raw,
        rank: 98,
        details: { from: from ?? old ?? null },
        verdict: isNvidia(driver)
          ? { ...LOST, meaning: 'The PCI core cannot wake the GPU: it does not answer on PCIe.' }
          : AWAY,
      }),
  ],
  [
    new RegExp(`^${DEVICE}: not ready (\\d+)ms after ([\\w ]{2,40}); waiting`),
    ([, driver = '', raw = '', ms]) =>
      device('pci_not_ready', {
        driver,
        raw,
        rank: 30,
        quiet: true,
        details: { after_ms: Number(ms) },
        verdict: note(
          'PCI device not ready',
          'A PCI device takes long to come back after a reset.',
        ),
      }),
  ],
  [
    new RegExp(
      `^${DEVICE}: PM: (?:failed to (suspend|resume|thaw)\\b|.{1,60}(resume|suspend)\\w*)`,
    ),
    ([, driver = '', raw = '', how, step]) =>
      device('pm_failed', {
        driver,
        raw,
        rank: 59,
        details: { step: how ?? step },
        verdict: isNvidia(driver) ? RESUME_FAILED : AWAY,
      }),
  ],
  [
    new RegExp(
      `^${DEVICE}: DPC: containment event, status:(0x[0-9a-f]+)(?: source:(0x[0-9a-f]+)|, (.{1,60}))?`,
    ),
    ([, driver = '', raw = '', status, source, reason]) =>
      device('dpc', {
        driver,
        raw,
        rank: 31,
        quiet: true,
        details: { status, source: source ?? null, reason: reason?.trim() ?? null },
        verdict: CONTAINED,
      }),
  ],
  [
    new RegExp(
      `^${DEVICE}: pciehp: Slot\\(([\\w-]{1,32})\\): (Link Down|Card not present|Surprise removal|No device found)`,
      'i',
    ),
    ([, driver = '', raw = '', slot, what]) =>
      device('slot_down', {
        driver,
        raw,
        rank: 31,
        quiet: true,
        details: { slot, what },
        verdict: SLOT_DOWN,
      }),
  ],
  [
    new RegExp(
      `^(nvidia): probe of ([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]) failed with error (-?\\d+)|^${DEVICE}: probe with driver nvidia failed with error (-?\\d+)`,
    ),
    ([, , old, code, , raw, error]) =>
      device('probe_failed', {
        driver: 'nvidia',
        raw: old ?? raw ?? '',
        rank: 35,
        details: { error: Number(code ?? error) },
        verdict: PROBE,
      }),
  ],
  [
    /^nvidia(?:[-_](?:uvm|modeset|drm|peermem))?: (version magic '|disagrees about version of symbol |Unknown symbol )/,
    ([, reason]) =>
      line({
        kind: 'module_refused',
        rank: 36,
        details: { reason: reason?.trim().replace(/'$/, '') },
        verdict: MODULE_REFUSED,
      }),
  ],
];

const isNvidia = (driver: string) => /^nvidia(?:$|-)/.test(driver);

function device(
  kind: string,
  facts: {
    readonly driver: string;
    readonly raw: string;
    readonly rank: number;
    readonly quiet?: true;
    readonly details: Record<string, unknown>;
    readonly verdict: Verdict;
  },
): Line {
  const { driver, raw, rank, quiet, details, verdict } = facts;
  const isEvent = isNvidia(driver) && quiet === undefined;
  return line({
    kind,
    pci: pciKey(raw) ?? null,
    role: isEvent ? 'event' : 'background',
    rank: isEvent ? rank : 6,
    details: { pci_raw: raw, function: Number(raw.slice(-1)), driver, ...details },
    verdict,
  });
}

const AWAY: Verdict = ours({
  action: 'watch',
  severity: 'warning',
  blame: 'host',
  title: 'PCI device does not answer',
  meaning: 'The PCI core cannot reach a device.',
  advice: 'Look at the slot, the riser and the power of this device.',
});
const CONTAINED: Verdict = ours({
  action: 'watch',
  severity: 'warning',
  blame: 'host',
  title: 'PCIe port contained an error',
  meaning: 'A PCIe port cut off what is below it after an uncorrectable error.',
  advice: 'Look at the devices below this port, their slot, riser and power.',
});
const SLOT_DOWN: Verdict = ours({
  action: 'watch',
  severity: 'warning',
  blame: 'host',
  title: 'PCIe slot lost its device',
  meaning: 'The link of a PCIe slot went down, or its device was removed.',
  advice: 'Look at what sits in this slot: seating, power, or somebody took it out.',
});

const ADDRESS = '[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]';

/** `pcieport 0000:00:1d.0: AER: Corrected error received: 0000:02:00.0` and newer spellings. */
const RECEIVED = new RegExp(
  `\\bpcieport (${ADDRESS}): AER: (Multiple )?(.{4,40}?) error (?:message )?received(?: from|:) ?(?:(${ADDRESS})|id=([0-9a-f]{4}))?`,
  'i',
);
/** `nvme 0000:02:00.0: [AER: ]PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)`. */
const BUS_ERROR = new RegExp(
  `(\\S{1,64}) (${ADDRESS}): (?:AER: )?PCIe Bus Error: severity=([^,]+), type=([^,]+)(?:, (?:id=\\w+)?\\(?([^)]*)\\)?)?`,
  'i',
);
/** `pcieport 0000:00:03.0:   device [1b36:000c] error status/mask=00000040/0000e000`. */
const STATUS = new RegExp(
  `(\\S{1,64}) (${ADDRESS}): {1,4}(?:AER: )?\\s*device \\[([0-9a-f]{4}):([0-9a-f]{4})\\] error status/mask=([0-9a-f]{8})/([0-9a-f]{8})`,
  'i',
);

/** What came of an uncorrectable error: `nvidia 0000:03:00.0: AER: can't recover (...)`. */
const RECOVERY = new RegExp(
  `^(\\S{1,64}) (${ADDRESS}): (?:AER: )?(can't recover \\([\\w ]{1,60}\\)|device recovery failed|device recovery successful|(?:Root Port|Downstream Port|Root|Downstream) (?:Port )?link has been reset|device has no AER-aware driver)`,
);

/**
 * PCIe Advanced Error Reporting. The device named after the colon is the culprit, the port before
 * it only heard of the error. Forms: drivers/pci/pcie/aer.c of several kernels.
 */
export function parseAer(message: string): Line | undefined {
  const received = RECEIVED.exec(message);
  if (received && isAtStart(message.slice(0, received.index))) {
    const [, port = '', multiple, severity = '', culprit, id] = received;
    const raw = culprit ?? (id === undefined ? port : fromId(port, id));
    return aer(raw, severityOf(severity), {
      root_port: port,
      severity: severityOf(severity),
      ...(multiple === undefined ? {} : { multiple: true }),
    });
  }
  const bus = BUS_ERROR.exec(message);
  if (bus && isAtStart(message.slice(0, bus.index))) {
    const [, driver, raw = '', severity = '', type, agent] = bus;
    return aer(raw, severityOf(severity), {
      severity: severityOf(severity),
      driver,
      layer: type?.trim() ?? null,
      agent: agent === undefined || agent === '' ? null : agent,
    });
  }
  const recovery = RECOVERY.exec(message);
  if (recovery) return recovered(recovery);
  const status = STATUS.exec(message);
  if (!status || !isAtStart(message.slice(0, status.index))) return undefined;
  const [, , raw = '', vendor, device, bits, mask] = status;
  return line({
    kind: 'aer_detail',
    pci: pciKey(raw) ?? null,
    role: 'companion',
    rank: 1,
    details: { ...place(raw), vendor, device, status: bits, mask },
    verdict: note('PCIe error detail', 'The registers of the PCIe error before it.'),
  });
}

/** The driver of a GPU that cannot take part in a recovery leaves the GPU as it is: lost to it. */
function recovered([, driver = '', raw = '', what = '']: RegExpExecArray): Line {
  const failed = /^can't recover|failed$/.test(what);
  const isGpu = /^nvidia(?:$|-)/.test(driver);
  const isPort = driver === 'pcieport';
  return line({
    kind: failed ? 'aer_unrecovered' : 'aer_detail',
    pci: pciKey(raw) ?? null,
    role: failed && (isGpu || isPort) ? 'event' : failed ? 'background' : 'companion',
    rank: failed ? (isGpu ? 34 : 32) : 1,
    details: { ...place(raw), driver, what },
    verdict: failed
      ? UNRECOVERED
      : note('PCIe error detail', 'What the kernel did about the PCIe error before it.'),
  });
}

const place = (raw: string) => ({ pci_raw: raw, function: Number(raw.slice(-1)) });

type AerSeverity = 'corrected' | 'nonfatal' | 'fatal' | 'uncorrected';

function severityOf(words: string): AerSeverity {
  if (/\bcorrect/i.test(words)) return 'corrected';
  if (/non-?fatal/i.test(words)) return 'nonfatal';
  return /fatal/i.test(words) ? 'fatal' : 'uncorrected';
}

/** Old kernels print the requester as 16 bits: bus, device and function. */
function fromId(port: string, id: string): string {
  const bits = Number.parseInt(id, 16);
  const two = (value: number) => value.toString(16).padStart(2, '0');
  const domain = port.split(':')[0] ?? '0000';
  return `${domain}:${two(bits >> 8)}:${two((bits >> 3) & 0x1f)}.${bits & 7}`;
}

function aer(raw: string, severity: AerSeverity, facts: Record<string, unknown>): Line {
  const corrected = severity === 'corrected';
  return line({
    kind: 'aer',
    pci: pciKey(raw) ?? null,
    role: corrected ? 'background' : 'event',
    rank: corrected ? 6 : 32,
    details: { ...place(raw), ...facts },
    verdict: VERDICTS[severity],
  });
}

const CORRECTED = ours({
  action: 'watch',
  severity: 'info',
  blame: 'host',
  title: 'Corrected PCIe error',
  meaning: 'A PCIe transfer failed and was repeated with success.',
  advice: 'Watch the rate; a high one points to the slot, the riser or the device.',
});
const UNCORRECTED = ours({
  action: 'reboot_node',
  severity: 'critical',
  blame: 'host',
  title: 'Uncorrected PCIe error',
  meaning: 'A PCIe transfer failed for good, and the device may be lost.',
  advice: 'Drain and reboot the node; check slot, riser and power of the device.',
});
const UNRECOVERED: Verdict = {
  ...UNCORRECTED,
  title: 'PCIe error without recovery',
  meaning: 'The kernel could not recover a device after an uncorrectable PCIe error.',
};
const VERDICTS: Readonly<Record<AerSeverity, Verdict>> = {
  corrected: CORRECTED,
  nonfatal: { ...UNCORRECTED, action: 'watch', severity: 'warning', advice: CORRECTED.advice },
  uncorrected: { ...UNCORRECTED, action: 'watch', severity: 'warning', advice: CORRECTED.advice },
  fatal: UNCORRECTED,
};

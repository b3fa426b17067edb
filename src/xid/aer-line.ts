import { pciKey } from '../contract/pci.ts';
import { note, ours } from './plain-verdict.ts';
import { isAtStart } from './provenance.ts';
import { type Line, line, type Verdict } from './verdict.ts';

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

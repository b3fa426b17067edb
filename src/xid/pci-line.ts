import { pciKey } from '../contract/pci.ts';
import { LOST, MODULE_REFUSED, PROBE, RESUME_FAILED } from './driver-verdicts.ts';
import { note, ours } from './plain-verdict.ts';
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

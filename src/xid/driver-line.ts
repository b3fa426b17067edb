import { pciKey } from '../contract/pci.ts';
import {
  GSP_BOOT,
  GSP_DETAIL,
  INIT_FAILED,
  LOST,
  MISMATCH,
  NOT_CALLED,
  NVLINK_DRIVER,
  OPEN_MODULES,
  PROBE,
  UNSUPPORTED,
} from './driver-verdicts.ts';
import { parseDriverWords } from './driver-words.ts';
import { note } from './plain-verdict.ts';
import { type Line, line } from './verdict.ts';

/** How a message looks once its line breaks are gone, and what is read from it. */
type Form = readonly [form: RegExp, read: (found: RegExpExecArray) => Line];

const form = (source: string): RegExp => new RegExp(source, 'i');

/** Messages on the driver's software rather than on one GPU: versions, loading, ownership. */
const SOFTWARE_FORMS: readonly Form[] = [
  [
    form(
      `^API mismatch: the client (?:'([^']*)' \\(pid (\\d{1,7})\\) )?has the version (\\S+?),?(?: but (?:this )?kernel module has the version (\\S+?)\\.?(?: Please.*)?)?(?: but)?$`,
    ),
    ([, name, pid, client, module]) =>
      line({
        kind: 'api_mismatch',
        pid: pid === undefined ? null : Number(pid),
        process: name ?? null,
        rank: 36,
        details: { client: client ?? null, module: module ?? null },
        verdict: MISMATCH,
      }),
  ],
  [
    form(
      `^loading NVIDIA UNIX (Open )?(?:Kernel Module for )?(\\S+)\\s+(?:Kernel Module\\s+)?(\\d+\\.\\d+(?:\\.\\d+)*)`,
    ),
    ([, open, architecture, version]) =>
      line({
        kind: 'driver_load',
        role: 'background',
        rank: 0,
        details: { version, open: open !== undefined, architecture },
        verdict: note(
          'Driver loaded',
          'The driver was loaded; XIDs before it belong to another load.',
        ),
      }),
  ],
  [
    form(`^The NVIDIA probe routine (failed for|was not called for) (\\d+) device`),
    ([, how = '', count]) =>
      line({
        kind: how.startsWith('failed') ? 'probe_failed' : 'probe_not_called',
        rank: how.startsWith('failed') ? 35 : 34,
        details: { devices: Number(count) },
        verdict: how.startsWith('failed') ? PROBE : NOT_CALLED,
      }),
  ],
  [
    form(`^Persistence mode is deprecated`),
    () =>
      line({
        kind: 'persistence_deprecated',
        role: 'background',
        rank: 0,
        verdict: note('Persistence mode notice', 'The driver recommends nvidia-persistenced.'),
      }),
  ],
];

/**
 * What else the NVIDIA driver prints: identity, failures to start, versions, and noise.
 * Forms: open-gpu-kernel-modules 595.45.04 and real lines. A message over several lines may hold
 * newlines with or without the repeated `NVRM:`.
 */
export function parseDriverLine(message: string): Line | undefined {
  const text = message.replace(/^NVRM:\s*/, '');
  if (text === message) return undefined;
  // One line of words: the driver breaks its long messages where it likes.
  const flat = text.replaceAll(/\s*\n\s*(?:NVRM:\s*)?/g, ' ').replaceAll(/\s+/g, ' ');
  for (const [form, read] of FORMS) {
    const found = form.exec(flat);
    if (found) return read(found);
  }
  return parseDriverWords(flat) ?? firmwareLine(flat) ?? nvlinkLine(flat) ?? other(text);
}

/** The proprietary modules of each GPU from Blackwell on; seen in logs of R570 and R580. */
const NEEDS_OPEN = /^requires use of the NVIDIA open kernel modules/;

const ADDRESS = '([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}(?:\\.[0-7])?)';
const GPU = `(?:GPU ${ADDRESS}: )?`;

/** A PCI address as the facts name it. */
function place(raw: string | undefined) {
  if (raw === undefined) return { pci: null, facts: {} };
  const fn = /\.([0-7])$/.exec(raw);
  return {
    pci: pciKey(raw) ?? null,
    facts: { pci_raw: raw, ...(fn ? { function: Number(fn[1]) } : {}) },
  };
}

const FORMS: readonly Form[] = [
  [
    form(`^GPU at (?:PCI:)?${ADDRESS}: (GPU-[0-9a-f-]{8,64})`),
    ([, raw, uuid]) => {
      const { pci, facts } = place(raw);
      return line({
        kind: 'gpu_uuid',
        pci,
        role: 'companion',
        rank: 0,
        details: { ...facts, uuid },
        verdict: note('GPU named', 'The driver names a GPU, once a load and before its first XID.'),
      });
    },
  ],
  [form(`^GPU Board Serial Number: ?(\\w*)`), ([, serial = '']) => boardSerial(undefined, serial)],
  [
    form(`^GPU ${ADDRESS}: GPU serial number is (\\w*)`),
    ([, raw, serial = '']) => boardSerial(raw, serial),
  ],
  [
    form(`^GPU ${ADDRESS}: GPU has fallen off the bus`),
    ([, raw]) => {
      const { pci, facts } = place(raw);
      return line({ kind: 'fallen_off_bus', pci, rank: 99, details: facts, verdict: LOST });
    },
  ],
  [
    form(
      `^The NVIDIA GPU ${ADDRESS}(?: \\(PCI ID: ([0-9a-f:]+)\\))? installed in this system (.*)`,
    ),
    ([, raw, id, rest = '']) => {
      const { pci, facts } = place(raw);
      const details = { ...facts, pci_id: id ?? null };
      if (/fallen off the bus/i.test(rest)) {
        return line({ kind: 'gpu_lost', pci, rank: 100, details, verdict: LOST });
      }
      if (NEEDS_OPEN.test(rest)) {
        return line({ kind: 'open_modules_needed', pci, rank: 61, details, verdict: OPEN_MODULES });
      }
      const unsupported = /not supported/i.test(rest);
      return line({
        kind: unsupported ? 'gpu_not_supported' : 'gpu_lost',
        pci,
        rank: unsupported ? 36 : 100,
        details: { ...details, ...(unsupported ? {} : { truncated: true }) },
        verdict: unsupported ? UNSUPPORTED : { ...LOST, confidence: 'low' },
      });
    },
  ],
  [
    // The end of the record above, where its beginning is lost.
    form(
      `^(?:\\(PCI ID: ([0-9a-f:]+)\\) )?(?:installed in this system has )?fallen off the bus and is not`,
    ),
    ([, id]) =>
      line({
        kind: 'gpu_lost',
        rank: 100,
        details: { pci_id: id ?? null, truncated: true },
        verdict: LOST,
      }),
  ],
  [
    form(`^${GPU}RmInitAdapter failed! ?\\(?(0x[0-9a-f]+):(0x[0-9a-f]+):(\\d+)\\)?`),
    ([, raw, status, sub, lineNumber]) =>
      initFailed(raw, { code: [status, sub, Number(lineNumber)] }),
  ],
  [
    form(`^${GPU}rm_init_adapter(?:\\((\\d+)\\))? failed(?:, device minor number (\\d+))?`),
    ([, raw, old, minor]) => {
      const digits = minor ?? old;
      return initFailed(raw, { minor: digits === undefined ? null : Number(digits) });
    },
  ],
  [
    form(
      `^Rate limiting GSP RPC error prints for GPU at (?:PCI:)?${ADDRESS} \\(printing 1 of every (\\d+)\\)`,
    ),
    ([, raw, every]) => {
      const { pci, facts } = place(raw);
      return line({
        kind: 'gsp_rate_limit',
        pci,
        role: 'companion',
        rank: 3,
        details: { ...facts, every: Number(every) },
        verdict: note(
          'GSP messages rate-limited',
          'From here on most GSP time-outs are not printed.',
        ),
      });
    },
  ],
  ...SOFTWARE_FORMS,
];

function boardSerial(raw: string | undefined, serial: string): Line {
  const { pci, facts } = place(raw);
  return line({
    kind: 'board_serial',
    pci,
    role: 'companion',
    rank: 0,
    details: { ...facts, serial },
    verdict: note('Serial number of a board', 'The driver names the board of a GPU.'),
  });
}

function initFailed(raw: string | undefined, facts: Record<string, unknown>): Line {
  const at = place(raw);
  return line({
    kind: 'rm_init_failed',
    pci: at.pci,
    rank: 57,
    details: { ...at.facts, ...facts },
    verdict: INIT_FAILED,
  });
}

/** What the GPU's system processor prints, or the driver of it; only a failed boot is an event. */
function firmwareLine(flat: string): Line | undefined {
  const found = /^(?:GPU(\d+) )?(_kgspBootGspRm|kgspBootstrap\w*|_kgsp\w*): (.*)/i.exec(flat);
  if (!found) return undefined;
  const [, index, fn = '', rest = ''] = found;
  const boot =
    /^(?:_kgspBootGspRm|kgspBootstrap)/i.test(fn) || /cannot proceed with booting/i.test(rest);
  return line({
    kind: boot ? 'gsp_boot_failed' : 'gsp',
    role: boot ? 'event' : 'companion',
    rank: boot ? 61 : 3,
    details: { gpu_index: numberOrNull(index), detail: `${fn}: ${rest}` },
    verdict: boot ? GSP_BOOT : GSP_DETAIL,
  });
}

function nvlinkLine(flat: string): Line | undefined {
  const found = /^(?:GPU(\d+) )?(knvlink\w+): (.*)/i.exec(flat);
  if (!found) return undefined;
  const [, index, fn = '', rest = ''] = found;
  return line({
    kind: 'nvlink_driver',
    rank: 22,
    details: { gpu_index: numberOrNull(index), function_name: fn, detail: `${fn}: ${rest}` },
    verdict: NVLINK_DRIVER,
  });
}

/** Anything else of the driver: kept, and folded by its function name. */
function other(text: string): Line {
  const [first = ''] = text.split('\n', 1);
  const index = /^GPU(\d{1,3}) /.exec(first);
  const rest = index ? first.slice(index[0].length) : first;
  const at = /^GPU ([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}(?:\.[0-7])?)\b/i.exec(first);
  const { pci, facts } = place(at?.[1]);
  return line({
    kind: 'nvrm_other',
    pci,
    role: 'background',
    rank: 1,
    details: { ...facts, gpu_index: numberOrNull(index?.[1]), detail: rest.trim().slice(0, 512) },
    verdict: {
      ...note('Driver message', 'A message of the driver that no rule knows.'),
      blame: 'driver',
    },
  });
}

const numberOrNull = (digits: string | undefined) => (digits === undefined ? null : Number(digits));

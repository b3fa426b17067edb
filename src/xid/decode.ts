import { type Decoded, type Decoder, hex, type Verdict } from './verdict.ts';

/** XID 48, 63, 64, 92, 94, 95, 140, 171, 172, 177, 160, 161: the GPU's memory. */
export const decodeMemory: Decoder = (text, xid) => {
  switch (xid) {
    case 48:
      return doubleBit(text) ?? channelNotice(text);
    case 63:
    case 64:
    case 177:
      return retirement(text, xid);
    case 92:
      return singleBit(text);
    case 94:
    case 95:
      return containment(text) ?? channelNotice(text);
    case 140:
      return escaped(text);
    case 171:
    case 172:
      return location(text);
    default:
      return undefined;
  }
};

/** `48, pid=..., channel 0x00000002`: the process was ended by the XID just before. */
function channelNotice(text: string): Decoded | undefined {
  const found = /^(?:Ch |channel 0x)([0-9a-f]{8})\s*$/.exec(text);
  if (!found) return undefined;
  return { facts: { channel: hex(found[1] ?? '') }, role: 'notice' };
}

function doubleBit(text: string): Decoded | undefined {
  if (!/double bit|DBE|uncorrectable/i.test(text)) return undefined;
  const address = /physAddr (0x[0-9a-f]+)/i.exec(text);
  const partition = /\bpartition (\d+)/.exec(text);
  const subpartition = /\bsubpartition (\d+)/.exec(text);
  return {
    facts: {
      phys_addr: address?.[1] ?? null,
      partition: partition ? Number(partition[1]) : null,
      subpartition: subpartition ? Number(subpartition[1]) : null,
    },
  };
}

function retirement(text: string, xid: number): Decoded | undefined {
  const address = /\(?(0x[0-9a-f]+)\)?/i.exec(text)?.[1] ?? null;
  if (/already pending remapping/.test(text)) {
    return {
      facts: { event: 'row_remap_already_pending', row_address: address },
      rank: 8,
      verdict: {
        action: 'none',
        severity: 'info',
        title: 'Row is already waiting to be remapped',
        meaning: 'A row that already waits for remapping was hit again; the next reset remaps it.',
        advice: 'Nothing is broken now; reset the GPU when it is free.',
        source: 'the text of the line: a harmless repeat that the driver prints as XID 64',
      },
    };
  }
  if (/^Row Remapper: New row/.test(text)) {
    return { facts: { event: 'row_remap_pending', row_address: address } };
  }
  if (/^Bank Remapper: New bank/.test(text)) {
    return { facts: { event: 'bank_remap_pending', row_address: address } };
  }
  if (/^Dynamic Page Retirement: New (?:retired )?page/.test(text)) {
    return { facts: { event: 'page_retired', page_address: address } };
  }
  const failure =
    /^(?:Row Remapper Error: (?:\(0x[0-9a-f]+\) - )?|DRAM Retirement failed due to |Dynamic Page Retirement: (?:Fatal error, |FATAL, )?)(.*)$/i.exec(
      text,
    );
  if (!failure || xid !== 64) return undefined;
  const event = text.startsWith('Dynamic') ? 'page_retirement_failure' : 'row_remap_failure';
  return { facts: { event, row_address: address, reason: (failure[1] ?? '').trim() } };
}

function singleBit(text: string): Decoded | undefined {
  const found = /at logical partition (\d+)/.exec(text);
  return found
    ? { facts: { event: 'sbe_interrupt_disabled', partition: Number(found[1]) } }
    : undefined;
}

/**
 * `Uncontained: LTC TAG (0x2,0x1). physAddr: 0x1 RST: Yes, D-RST: No`. The flags are the verdict:
 * an unsupported-client poison prints 95 with RST: No, and under MIG 94 can ask for a reset.
 */
function containment(text: string): Decoded | undefined {
  const found = /^(Contained|Uncontained): (.*)$/s.exec(text);
  if (!found) return undefined;
  const body = found[2] ?? '';
  const unit = /^([A-Za-z][\w -]{0,63}?) ?(?:\(([^)]*)\))?\.?\s*(?:physAddr|RST:|$)/.exec(body);
  const address = /physAddr: (0x[0-9a-f]+)/i.exec(body);
  const reset = /(?<![\w-])RST: (Yes|No)/.exec(body);
  const drain = /D-RST: (Yes|No)/.exec(body);
  const facts = {
    containment: found[1] === 'Contained' ? 'contained' : 'uncontained',
    unit: unit?.[1]?.trim() ?? null,
    args: unit?.[2] ? unit[2].split(',').map(word => word.trim()) : [],
    phys_addr: address?.[1] ?? null,
    rst: reset ? reset[1] === 'Yes' : null,
    d_rst: drain ? drain[1] === 'Yes' : null,
  };
  if (facts.rst === null && facts.d_rst === null) return { facts };
  const source = `the line's flags RST: ${reset?.[1] ?? '?'}, D-RST: ${drain?.[1] ?? '?'}`;
  const verdict = { source, confidence: 'high' as const };
  if (facts.rst) return { facts, verdict: { ...verdict, ...RESET } };
  if (facts.d_rst) return { facts, verdict: { ...verdict, ...DRAIN } };
  return { facts, verdict: { ...verdict, ...APPLICATION } };
}

const RESET = {
  action: 'reset_gpu',
  severity: 'critical',
  advice: 'Drain the GPU and reset it now; open an NVIDIA case if it comes back.',
} as const;
const DRAIN = {
  action: 'drain_and_reset',
  severity: 'critical',
  advice: 'Let the other jobs on the GPU end, then reset it.',
} as const;
const APPLICATION = {
  action: 'restart_app',
  severity: 'warning',
  advice: 'Restart the application that died; the driver asks for no reset.',
} as const;

function escaped(text: string): Decoded | undefined {
  const counts = [...text.matchAll(/\b(DRAM|LTC|MMU|PCIE):(-?\d+)/g)].slice(0, 8);
  if (counts.length === 0) return undefined;
  return {
    facts: {
      counts: Object.fromEntries(counts.map(([, unit = '', count]) => [unit, Number(count)])),
    },
  };
}

function location(text: string): Decoded | undefined {
  const dram =
    /^(GDDR|HBM)\S*, Uncorrectable DRAM error in FBPA (\d+) subpartition (\d+)(?: physAddr (0x[0-9a-f]+))?/.exec(
      text,
    );
  if (dram) {
    const [, memory, fbpa, subpartition, address] = dram;
    return {
      facts: {
        memory,
        fbpa: Number(fbpa),
        subpartition: Number(subpartition),
        phys_addr: address ?? null,
      },
    };
  }
  const sram = /^(.{1,40}?), Uncorrectable SRAM error/.exec(text);
  return sram ? { facts: { memory: 'SRAM', unit: sram[1] } } : undefined;
}

/** XID 74, 136, 137, 108: NVLink up to Hopper. */
export const decodeNvlink: Decoder = (text, xid) => {
  switch (xid) {
    case 74:
      return fatalLink(text) ?? training(text);
    case 136:
      return training(text);
    default:
      return undefined;
  }
};

type Meaning =
  | 'ignore'
  | 'watch'
  | 'ecc'
  | 'cable'
  | 'signal'
  | 'repeat'
  | 'peer'
  | 'fabric'
  | 'support';

/**
 * What a bit of a register means, worst meaning last in WEIGHT.
 * Source: WORKFLOW_NVLINK_ERR of NVIDIA's catalogue (edition 610), for Hopper.
 */
const BITS: readonly { register: number; bits: readonly number[]; meaning: Meaning }[] = [
  { register: 0, bits: [0, 23, 30], meaning: 'ignore' },
  { register: 0, bits: [1, 20], meaning: 'peer' },
  { register: 0, bits: [4, 5], meaning: 'ecc' },
  { register: 0, bits: [8, 9, 12, 16, 17, 24, 28], meaning: 'cable' },
  { register: 0, bits: [21, 22], meaning: 'signal' },
  { register: 0, bits: [27, 29], meaning: 'repeat' },
  { register: 2, bits: [0, 1, 2, 6], meaning: 'ecc' },
  { register: 2, bits: [13], meaning: 'support' },
  { register: 2, bits: [16, 17, 18, 19], meaning: 'repeat' },
  { register: 3, bits: [16, 17], meaning: 'peer' },
  { register: 3, bits: [18], meaning: 'fabric' },
  { register: 4, bits: [18, 19, 21, 22, 24, 25, 27, 28], meaning: 'ecc' },
  { register: 4, bits: [20, 23, 26, 29], meaning: 'watch' },
];

const WEIGHT: readonly Meaning[] = [
  'ignore',
  'watch',
  'peer',
  'fabric',
  'ecc',
  'repeat',
  'signal',
  'cable',
  'support',
];

const VERDICT: Readonly<Record<Meaning, Partial<Verdict>>> = {
  ignore: {
    action: 'none',
    severity: 'info',
    meaning: 'The registers show only bits that NVIDIA says to ignore.',
    advice: 'Nothing to do.',
  },
  watch: {
    action: 'watch',
    severity: 'warning',
    meaning: 'A corrected-error threshold of the link was passed.',
    advice: 'Nothing to do now; look at the link if it repeats.',
  },
  peer: {
    action: 'watch',
    severity: 'warning',
    meaning: 'The link failed because its other end failed.',
    advice: 'Look at the GPU or switch at the other end; ask NVIDIA if nothing failed there.',
  },
  fabric: {
    action: 'reset_gpu',
    severity: 'critical',
    meaning: 'The link failed because its other end failed, and it stays down until a reset.',
    advice:
      'Look at the other end first, then reset the GPUs and switches of the fabric together; ask NVIDIA if nothing failed there.',
  },
  ecc: {
    action: 'reset_gpu',
    severity: 'critical',
    meaning: 'The link met an ECC or parity error.',
    advice: 'Reset the GPU; ask NVIDIA if the same link does it more than twice.',
  },
  repeat: {
    action: 'reset_gpu',
    severity: 'critical',
    meaning: 'The link met an internal error.',
    advice: 'Reset the GPU; ask NVIDIA or run field diagnostics if the same link repeats it.',
  },
  signal: {
    action: 'reset_gpu',
    severity: 'critical',
    meaning: 'The signal of the link is marginal.',
    advice: 'Reset the GPU; have the link and its connectors checked if it repeats.',
  },
  cable: {
    action: 'reset_gpu',
    severity: 'critical',
    meaning: 'The link failed as a bad mechanical connection does.',
    advice: 'Drain the node, reset the GPU, and have the mechanical connections checked.',
  },
  support: {
    action: 'contact_support',
    severity: 'critical',
    meaning: 'The link met an error that only NVIDIA can judge.',
    advice: 'Drain the GPU and open an NVIDIA case with nvidia-bug-report.',
  },
};

const REGISTERS_MAX = 7;

/** `NVLink: fatal error detected on link 1(0x0, 0x0, 0x10000, 0x0, 0x0, 0x0, 0x0)`. */
function fatalLink(text: string): Decoded | undefined {
  const found = /^NVLink: fatal error detected on link (\d{1,3})(?:\s*\(([^)]*)\)?)?/.exec(text);
  if (!found) return undefined;
  const link = Number(found[1]);
  const registers = [...(found[2] ?? '').matchAll(/0x[0-9a-f]{1,8}/gi)]
    .map(([word]) => word)
    .slice(0, REGISTERS_MAX);
  if (registers.length < REGISTERS_MAX) {
    return {
      facts: registers.length > 0 ? { link, registers, truncated: true } : { link },
      verdict: {
        confidence: 'low',
        source:
          'the NVLink workflow of NVIDIA; the registers that tell the end at fault are absent',
      },
    };
  }
  const bits = registerMeanings(registers.map(Number));
  const worst = bits.at(-1);
  return {
    facts: { link, registers, register_verdicts: bits.map(bit => `${bit.name} ${bit.meaning}`) },
    verdict: worst
      ? {
          ...VERDICT[worst.meaning],
          confidence: 'medium',
          source: `register ${worst.name} of the line, by NVIDIA's NVLink workflow`,
        }
      : { confidence: 'low', source: 'the NVLink workflow; no known register bit is set' },
  };
}

/** Known bits that are set, the mildest first. */
function registerMeanings(
  registers: readonly number[],
): { readonly name: string; readonly meaning: Meaning }[] {
  return BITS.flatMap(({ register, bits, meaning }) =>
    bits
      .filter(bit => ((registers[register] ?? 0) & (1 << bit)) !== 0)
      .map(bit => ({ name: `r${register} bit ${bit}`, meaning })),
  ).sort((a, b) => WEIGHT.indexOf(a.meaning) - WEIGHT.indexOf(b.meaning));
}

function training(text: string): Decoded | undefined {
  const failed = /^NVLink: failed to train link (\d{1,3}) to remote PCI:([0-9a-f:]+)/.exec(text);
  if (failed) return { facts: { link: Number(failed[1]), remote_pci: failed[2] } };
  const failure = /^NVLink: Link training failed for links? (0x[0-9a-f]+|\d{1,3})/.exec(text);
  if (!failure) return undefined;
  return {
    facts: failure[1]?.startsWith('0x') ? { links: failure[1] } : { link: Number(failure[1]) },
  };
}

import type { Decoded, Decoder, Verdict } from './verdict.ts';

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
export function registerMeanings(
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

import { pciKey } from '../contract/pci.ts';
import { plainText } from '../contract/untrusted.ts';
import { xidEntry, xidVerdict } from './catalogue.ts';
import { decodeMemory, decodeNvlink } from './decode.ts';
import { decodeApplication, decodeCommon, RANK_APPLICATION } from './decode-application.ts';
import { decodeFirmware } from './decode-firmware.ts';
import { decodeNvlink5 } from './nvlink5.ts';
import { type Decoded, type Line, line, type Verdict } from './verdict.ts';

const DECODERS = [decodeMemory, decodeNvlink5, decodeNvlink, decodeFirmware, decodeApplication];

/**
 * Which of several XIDs of one burst is nearest to the cause; higher is nearer.
 * Lost before security fault before failed retirement before memory before controllers before
 * links before time-outs before programs before clean-up.
 */
const RANKS: Readonly<Record<number, number>> = {
  79: 100,
  110: 95,
  64: 90,
  95: 85,
  48: 80,
  140: 78,
  62: 70,
  61: 69,
  120: 66,
  119: 66,
  143: 62,
  136: 60,
  74: 60,
  144: 60,
  145: 60,
  146: 60,
  147: 60,
  148: 60,
  149: 60,
  150: 60,
  155: 60,
  158: 58,
  109: 50,
  94: 45,
  46: 57,
  63: 38,
  32: RANK_APPLICATION,
  43: 20,
  154: 12,
  45: 5,
};

/** The Line of an XID message; undefined where the message is not one. */
export function parseXidLine(message: string): Line | undefined {
  const envelope = parseEnvelope(message);
  if (!envelope) return looksLikeXid(message) ? unreadable() : undefined;
  const decoded = decode(envelope);
  const verdict = verdictOf(envelope, decoded);
  const base = {
    kind: 'xid',
    pci: envelope.pci,
    xid: envelope.xid,
    pid: envelope.pid,
    process: envelope.process,
    mig: envelope.mig,
    details: detailsOf(envelope, decoded),
    verdict,
  };
  if (envelope.oldForm) return line({ ...base, rank: 9 });
  const notice = decoded?.role === 'notice';
  return line({
    ...base,
    role: decoded?.role ?? 'event',
    rank: decoded?.rank ?? (notice ? noticeRank(envelope.xid) : rankOf(numberOf(envelope))),
  });
}

/** A notice that a channel of a process was ended is no second fault, but it can stand alone. */
const noticeRank = (xid: number) => (xid === 94 ? 30 : 11);

function rankOf(xid: number): number {
  const rank = RANKS[xid];
  if (rank !== undefined) return rank;
  const entry = xidEntry(xid);
  if (!entry || entry.unused) return 15;
  if (entry.blame === 'application') return RANK_APPLICATION;
  return entry.severity === 'critical' ? 55 : 18;
}

function decode(envelope: Envelope): Decoded | undefined {
  const { xid, text, oldForm } = envelope;
  if (oldForm) return decodeCommon(text, xid);
  for (const decoder of DECODERS) {
    const decoded = decoder(text, numberOf(envelope));
    if (decoded) return decoded;
  }
  return decodeCommon(text, xid);
}

function detailsOf(envelope: Envelope, decoded: Decoded | undefined): Record<string, unknown> {
  return {
    pci_raw: envelope.pciRaw,
    function: null,
    detail: envelope.detail.slice(0, 512),
    ...(envelope.causedBy === null ? {} : { caused_by_xid: envelope.causedBy }),
    ...(envelope.truncated ? { truncated: true } : {}),
    ...decoded?.facts,
  };
}

function verdictOf(envelope: Envelope, decoded: Decoded | undefined): Verdict {
  const base = xidVerdict(numberOf(envelope));
  if (envelope.oldForm) return oldNumbering(base);
  const verdict = { ...base, ...decoded?.verdict };
  if (envelope.truncated) return { ...verdict, confidence: 'low' };
  return verdict;
}

/**
 * The number whose verdict holds: a text that says a fatal NVLink error is one, whatever number a
 * tool or a copy put in front of it (AWS prints 71).
 */
const numberOf = ({ xid, text }: Envelope): number =>
  /^NVLink: fatal error detected on link /.test(text) ? 74 : xid;

/** Drivers that print `(bus:device)` used other meanings for some numbers: 29, 43, 53 differ. */
const oldNumbering = (base: Verdict): Verdict => ({
  ...base,
  action: 'none',
  severity: 'info',
  blame: 'unknown',
  confidence: 'low',
  title: 'message of a very old driver',
  meaning: 'A driver of the old message form printed this; its numbers had other meanings.',
  advice: 'Do not apply the present catalogue to it; update the driver first.',
  source: 'the form of the line: the driver is too old for the catalogue',
});

/** `NVRM: Xid (PCI:00`: the place and number of an XID are lost, and that is said. */
const unreadable = (): Line =>
  line({
    kind: 'xid_unreadable',
    details: { truncated: true },
    rank: 9,
    role: 'background',
    verdict: {
      action: 'watch',
      severity: 'warning',
      blame: 'unknown',
      confidence: 'low',
      title: 'XID line that cannot be read',
      meaning: 'A line begins as an XID does, but its GPU or number is cut off or of a new form.',
      advice: 'Look at the line in another source of the log.',
      source: 'the form of the line',
      disagreement: [],
    },
  });

/** What stands around the text of an XID. Absent facts are null. */
interface Envelope {
  readonly xid: number;
  /** Null where who copied the line took the address out of it: `(PCI:...)`. */
  readonly pci: string | null;
  readonly pciRaw: string;
  /** The driver's old form names bus and device only; its numbers had other meanings. */
  readonly oldForm: boolean;
  readonly mig: { readonly gpuInstance: number; readonly computeInstance: number | null } | null;
  readonly pid: number | null;
  readonly process: string | null;
  /** All that stands after the process. */
  readonly detail: string;
  /** The same without `caused by previous Xid N`. */
  readonly text: string;
  /** From `caused by previous Xid N`, which drivers from R580 on append to XID 45. */
  readonly causedBy: number | null;
  /** The line ends inside the envelope, so the last thing read may be cut. */
  readonly truncated: boolean;
}

/** An address, or what somebody wrote in its place before showing the line: `PCI:...`, `PCI:XX:00`. */
const ENVELOPE =
  /^NVRM:? *Xid \((?:(?:PCI:)?([0-9a-f]{4,8}:[0-9a-f]{1,2}(?::[0-9a-f]{1,2})?(?:\.[0-7])?)|PCI:([\w.:<>*#?… -]{1,40}))(?: GPU-I:(\d{1,3})(?: GPU-CI:(\d{1,3}))?)?\) ?:\s*(\d{1,5})(,|\s|$)\s*/i;

/** `NVRM: Xid 79, ...`, as people write from memory. */
const WITHOUT_ADDRESS = /^NVRM:? Xid:? (\d{1,3})(?=,|\s|$)/;

/** The linux kernel keeps 15 bytes of a process name; drivers print what they are given. */
const COMM_CHARACTERS_MAX = 15;
const PID_MAX = 4_194_304;
const XID_MAX = 65_535;

/**
 * Reads `NVRM: Xid (PCI:dddd:bb:dd[ GPU-I:n[ GPU-CI:n]]): N, [pid=P, [name=S, ]]TEXT` at the start
 * of a message; undefined where it is not one. Form: kernel_rc.c of open-gpu-kernel-modules 595.
 */
function parseEnvelope(message: string): Envelope | undefined {
  const found =
    ENVELOPE.exec(message) ??
    ENVELOPE.exec(message.replace(WITHOUT_ADDRESS, 'NVRM: Xid (PCI:?): $1'));
  if (!found) return undefined;
  const [whole, address, redacted = '', gpuInstance, computeInstance, digits = '', comma = ''] =
    found;
  const xid = Number(digits);
  const place =
    address === undefined ? { pci: null, pciRaw: redacted, oldForm: false } : addressOf(address);
  if (!place || xid > XID_MAX) return undefined;
  const rest = withoutProcess(found.input.slice(whole.length), xid);
  const text = rest.text.trimEnd();
  const cause = /caused by previous Xid (\d{1,5})$/i.exec(text);
  return {
    xid,
    ...place,
    mig: migOf(gpuInstance, computeInstance),
    pid: rest.pid,
    process: rest.process,
    detail: text,
    text: cause ? text.slice(0, cause.index).trimEnd() : text,
    causedBy: cause ? Number(cause[1]) : null,
    truncated: comma === '' || rest.truncated,
  };
}

/** True for the start of an XID message whose envelope cannot be read: cut or of a new form. */
const looksLikeXid = (message: string): boolean =>
  /^NVRM:? *Xid?(?: *$| \([^()[\]{}]*(?:\) ?:?.*)?$)/.test(message);

function addressOf(address: string): Pick<Envelope, 'pci' | 'pciRaw' | 'oldForm'> | undefined {
  const old = /^([0-9a-f]{4}):([0-9a-f]{2})$/i.exec(address);
  const pci = pciKey(old ? `0000:${(old[1] ?? '').slice(2)}:${old[2]}` : address);
  return pci === undefined ? undefined : { pci, pciRaw: address, oldForm: old !== null };
}

function migOf(gpuInstance: string | undefined, computeInstance: string | undefined) {
  if (gpuInstance === undefined || Number(gpuInstance) > 255) return null;
  const compute = computeInstance === undefined ? null : Number(computeInstance);
  return {
    gpuInstance: Number(gpuInstance),
    computeInstance: compute !== null && compute > 255 ? null : compute,
  };
}

interface Owner {
  readonly pid: number | null;
  readonly process: string | null;
  readonly text: string;
  readonly truncated: boolean;
}

function withoutProcess(rest: string, xid: number): Owner {
  const found = /^pid=(?:'?<unknown>'?|'?(\d{1,10})'?)(,\s*|$)/.exec(rest);
  if (!found) {
    // `pid=`, `pid='<unk`: cut within the field.
    const cut = rest.length < 18 && /^pid=/.test(rest);
    return { pid: null, process: null, text: cut ? '' : rest, truncated: cut };
  }
  const number = found[1] === undefined ? null : Number(found[1]);
  // 0 is no process but the kernel's idle task, in whose time an interrupt came (swapper).
  const isIdle = number === 0;
  const pid = number !== null && number <= PID_MAX && !isIdle ? number : null;
  const after = rest.slice(found[0].length);
  if (!after.startsWith('name=')) {
    return { pid, process: null, text: after, truncated: found[2] === '' };
  }
  const { name, text, ended } = splitName(after.slice('name='.length), xid);
  const process = isIdle || /^(?:|'?<unknown>'?)$/.test(name) ? null : plainText(name, 128);
  return { pid, process, text, truncated: !ended };
}

/**
 * Splits `S, TEXT`. A name is free text with commas and spaces in it: what tells its end is that
 * what follows begins as texts of this number do. Without such a start the first comma ends it.
 */
function splitName(rest: string, xid: number): { name: string; text: string; ended: boolean } {
  const ends = commasOf(rest);
  const first = ends[0];
  if (first === undefined) {
    // `name=x,` and `name=x`: the text is empty or cut off.
    const name = rest.trimEnd();
    return { name: name.replace(/,$/, ''), text: '', ended: name.endsWith(',') };
  }
  const split = (end: number) => ({
    name: rest.slice(0, end),
    text: rest.slice(end + 1).trimStart(),
    ended: true,
  });
  const begins = ends
    .map(split)
    .map(parts => ({ ...parts, begins: textBegins(parts.text, xid) }))
    .filter(parts => parts.begins !== 'no');
  const short = begins.filter(parts => parts.name.length <= COMM_CHARACTERS_MAX);
  // A name can itself hold the beginning of a text: the last whole text that leaves it its 15
  // bytes is the driver's own.
  return (
    short.findLast(parts => parts.begins === 'whole') ??
    begins.find(parts => parts.begins === 'whole') ??
    short[0] ??
    begins[0] ??
    split(first)
  );
}

const NAME_COMMAS_MAX = 32;

/** Positions of `, ` (or a comma at the end), the first few only. */
function commasOf(text: string): number[] {
  const found: number[] = [];
  for (const match of text.matchAll(/,(?=\s|$)/g)) {
    found.push(match.index);
    if (found.length === NAME_COMMAS_MAX) break;
  }
  return found;
}

/**
 * How the text of an XID begins, which is what ends the process name before it.
 * Forms: call sites of open-gpu-kernel-modules 595.45.04 and real lines.
 */
const CHANNEL =
  '(?:Ch [0-9a-f]{8}|channel 0x[0-9a-f]{8}|Channel [0-9a-f]{8}|Channel ID [0-9a-f]{8})';

/** Texts that are complete as they stand: the strongest sign. */
const WHOLE = [
  new RegExp(String.raw`^${CHANNEL}\s*$`),
  new RegExp(String.raw`^${CHANNEL}(?:,|\.)? (?:[0-9a-f]{8} ?)+$`),
  new RegExp(`^${CHANNEL}, engmask [0-9a-f]{8}, intr [0-9a-f]{8}`),
  new RegExp(String.raw`^${CHANNEL}, intr [0-9a-f]{8}\. MMU Fault: `),
  new RegExp(`^${CHANNEL}, (?:errorString )?CTX SWITCH TIMEOUT, Info 0x`),
  /^Graphics (?:SM (?:Warp|Global) )?Exception(?: on \(GPC \d+, TPC \d+|: ESR 0x|: ChID )/,
  /^Class Error: ChId [0-9a-f]{4}/,
  /^GPU has fallen off the bus\.?\s*$/,
  /^An uncorrectable (?:double bit error \(DBE\) has|ECC error) /,
  /^Row Remapper(?: Error)?: /,
  /^(?:Unc|C)ontained: \S.* RST: (?:Yes|No)/,
  /^Timeout (?:after \d+s of )?waiting for RPC (?:response )?from GPU/,
  /^GSP (?:task|kernel) exception: /,
  /^[A-Z][A-Z0-9_]+(?: Degraded)? +(?:Fatal|Nonfatal) +XC ?[01] +i ?\d /,
  /^GPU recovery action changed from 0x/,
  /^NVLink: (?:fatal error detected on link|failed to train link|Link training failed) /,
] as const;

/** Beginnings that many numbers share. */
const SHARED = new RegExp(
  String.raw`^(?:${CHANNEL}\b|Ch [0-9a-f]{1,7}$|[0-9a-f]{8} [0-9a-f]{8}\b|GSP[ -]|Timeout |NVLink: |Dynamic Page |DRAM Retirement |Error status 0x|FSP |Head [0-9a-f]{8}|Cmd |CCMDs |CMDre |PE[0-9a-f]{4}|MMU Fault|CE\d|NVDEC\d?|NVENC\d?|NVJPG\d?|OFA\d?|Marking |Repairing |Disabling ECC|SM SBE|Bank Remapper|Graphics |Class |Contained|Uncontained|HBM|GDDR|Illegal |SEC_FAULT|Ch [0-9a-f]{8}\))`,
);

/** Beginnings that only one number has. */
const OWN: Readonly<Record<number, RegExp>> = {
  13: /^(?:Graphics|Shader|MISC|Compute) /,
  79: /^GPU has fallen/,
  109: /CTX SWITCH TIMEOUT/,
  119: /^Timeout /,
  140: /^An uncorrectable/,
};

/** Whether a text is whole as texts of this number are, begins as one, or neither. */
function textBegins(text: string, xid: number): 'whole' | 'begins' | 'no' {
  if (WHOLE.some(form => form.test(text))) return 'whole';
  return SHARED.test(text) || (OWN[xid]?.test(text) ?? false) ? 'begins' : 'no';
}

import { pciKey } from '../contract/pci.ts';
import { plainText } from '../contract/untrusted.ts';
import { textBegins } from './text-starts.ts';

/** What stands around the text of an XID. Absent facts are null. */
export interface Envelope {
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

/** The linux kernel keeps 15 bytes of a process name; drivers print what they are given. */
const COMM_CHARACTERS_MAX = 15;
const PID_MAX = 4_194_304;
const XID_MAX = 65_535;

/**
 * Reads `NVRM: Xid (PCI:dddd:bb:dd[ GPU-I:n[ GPU-CI:n]]): N, [pid=P, [name=S, ]]TEXT` at the start
 * of a message; undefined where it is not one. Form: kernel_rc.c of open-gpu-kernel-modules 595.
 */
export function parseEnvelope(message: string): Envelope | undefined {
  const found = ENVELOPE.exec(message);
  if (!found) return undefined;
  const [whole, address, redacted = '', gpuInstance, computeInstance, digits = '', comma = ''] =
    found;
  const xid = Number(digits);
  const place =
    address === undefined ? { pci: null, pciRaw: redacted, oldForm: false } : addressOf(address);
  if (!place || xid > XID_MAX) return undefined;
  const rest = withoutProcess(message.slice(whole.length), xid);
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
export const looksLikeXid = (message: string): boolean =>
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
  const pid = number !== null && number <= PID_MAX ? number : null;
  const after = rest.slice(found[0].length);
  if (!after.startsWith('name=')) {
    return { pid, process: null, text: after, truncated: found[2] === '' };
  }
  const { name, text, ended } = splitName(after.slice('name='.length), xid);
  const process = /^(?:|'?<unknown>'?)$/.test(name) ? null : plainText(name, 128);
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

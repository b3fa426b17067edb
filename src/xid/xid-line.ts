import { xidEntry, xidVerdict } from './catalogue.ts';
import { decodeApplication, decodeCommon, RANK_APPLICATION } from './decode-application.ts';
import { decodeFirmware } from './decode-firmware.ts';
import { decodeMemory } from './decode-memory.ts';
import { decodeNvlink } from './decode-nvlink.ts';
import { type Envelope, looksLikeXid, parseEnvelope } from './envelope.ts';
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

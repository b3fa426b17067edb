import type { SaidXid } from '../contract/job-log.ts';
import { optional } from '../contract/optional.ts';
import { pciKey } from '../contract/pci.ts';
import { plainText } from '../contract/untrusted.ts';
import { xidEntry } from '../xid/catalogue.ts';
import { parseMessage } from '../xid/parse.ts';
import type { Line } from './log-lines.ts';
import { TEXT_CHARACTERS_MAX } from './quote.ts';
import { withoutSecrets } from './secrets.ts';

const XIDS_MAX = 16;

/** The driver's own line, wherever it stands in that of a log: as a monitor passes it on, or a script prints dmesg. */
const DRIVER_LINE = /\bXid \((?:PCI:)?[0-9a-f]{4,8}:/i;

/**
 * A monitor's own words: `condition=XID value=95`, `Xid=79 on Device=GPU-...` (NVIDIA's device
 * plugin), `"xid":94`. A list of codes that are left aside begins with a plural.
 */
const IN_WORDS =
  /\bxid(?:[ _-]?(?:critical ?)?(?:errors?|code|event|number|id))?\b["')]?(?:[ :=#"',]{1,4}(?:(?:value|code|error|number)\b["']?[ :=#"']{1,4})?)(\d{1,3})\b(?![.:]\d|%)/i;
const ADDRESS = /\b[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}(?:\.[0-7])?\b/i;

/** What is watched for, left aside or not there; databases and DHCP count with XIDs, too. */
const NO_EVENT =
  /\b(?:no|not|without|never|ignor\w{0,4}|watch\w{0,4}|skip\w{0,4}|filter\w{0,4}|known) (?:[\w-]{1,20} ){0,2}xid/i;
const OF_GPU = /\bgpu|nvidia|dcgm|\bdevice\b|\bpci\b|\becc\b/i;
const XID_NUMBERS = /\bxid["']?[ =:]{1,3}\d/gi;

/** XIDs that the lines of a log tell of, each of a GPU where it stands first. */
export function saidXidsOf(lines: readonly Line[]): readonly SaidXid[] | undefined {
  const found = new Map<string, SaidXid>();
  for (const { text, at } of lines) {
    const said = /xid/i.test(text) ? saidIn(text) : undefined;
    if (!said) continue;
    const key = `${said.code} ${said.pci}`;
    if (found.has(key)) continue;
    const words = plainText(withoutSecrets(text), TEXT_CHARACTERS_MAX);
    found.set(key, { ...said, ...optional({ at }), text: words });
    if (found.size === XIDS_MAX) break;
  }
  return found.size === 0 ? undefined : [...found.values()];
}

function saidIn(text: string): Pick<SaidXid, 'code' | 'pci'> | undefined {
  const begin = text.search(DRIVER_LINE);
  const line = begin < 0 ? undefined : parseMessage(`NVRM: ${text.slice(begin)}`);
  if (typeof line?.xid === 'number') {
    return { code: line.xid, ...optional({ pci: line.pci ?? undefined }) };
  }
  const code = Number(IN_WORDS.exec(text)?.[1]);
  if (begin >= 0 || xidEntry(code) === undefined) return undefined;
  if (NO_EVENT.test(text) || !OF_GPU.test(text) || (text.match(XID_NUMBERS)?.length ?? 0) > 1) {
    return undefined;
  }
  return { code, ...optional({ pci: pciKey(ADDRESS.exec(text)?.[0] ?? '') }) };
}

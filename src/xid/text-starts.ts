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
export function textBegins(text: string, xid: number): 'whole' | 'begins' | 'no' {
  if (WHOLE.some(form => form.test(text))) return 'whole';
  return SHARED.test(text) || (OWN[xid]?.test(text) ?? false) ? 'begins' : 'no';
}

import { decodeFirmware } from './decode-firmware.ts';
import { RECOVERY_ACTIONS } from './nvidia-actions.ts';
import { byRule, type Nvlink5Rule, nvlink5Rules } from './nvlink5.ts';
import type { Decoded } from './verdict.ts';

/**
 * What the second number of `149 4`, `145 0x4` or `154 2` says; undefined where it is none.
 * For 144 to 150 it is the reason of a link event or an error status, as tools print them.
 */
export function subcodeOf(xid: number, word: string): Decoded | undefined {
  if (!/^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(word)) return undefined;
  const number = Number(word);
  if (xid === 154) return recovery(number);
  if (xid < 144 || xid > 150) return undefined;
  const rules = nvlink5Rules().filter(rule => rule.xid === xid);
  const byReason = rules.filter(rule => rule.reason === number && number > 0);
  const byStatus = rules.filter(rule => rule.errorStatus === number);
  // A small decimal is a reason where one exists, as in `149.4`; a hexadecimal is a status.
  const found = word.startsWith('0x') || byReason.length === 0 ? byStatus : byReason;
  if (found.length === 0) {
    return word.startsWith('0x') ? { facts: { subcode: word, rules: [] } } : undefined;
  }
  return ofRules(word, found, found === byReason ? byStatus : []);
}

function ofRules(
  word: string,
  found: readonly Nvlink5Rule[],
  others: readonly Nvlink5Rule[],
): Decoded {
  const worst =
    found.find(rule => rule.resolution === 'RESET_GPU') ??
    found.find(rule => rule.resolution === 'XID_154_EVAL') ??
    found[0];
  const agree = found.every(rule => rule.resolution === found[0]?.resolution);
  const verdict = worst
    ? byRule({ rule: worst, layout: 'v2', combined: false, resolution: worst.resolution })
    : {};
  return {
    facts: { subcode: word, rules: found.map(ruleFacts), also: others.map(ruleFacts) },
    verdict: agree ? verdict : { ...verdict, confidence: 'low' },
  };
}

const ruleFacts = (rule: Nvlink5Rule) => ({
  units: rule.units,
  error_status: `0x${rule.errorStatus.toString(16).padStart(8, '0')}`,
  reason_bits_25_20: rule.reason,
  resolution: rule.resolution,
  ...(rule.secondAction
    ? {
        second_action: `${rule.secondAction.action} where bit ${rule.secondAction.v2Bit} is set (${rule.secondAction.v1Bit} before R575)`,
      }
    : {}),
  investigatory: rule.investigatory,
  severity: rule.severity,
  hw_sw: rule.hwSw,
  effect: rule.effect,
});

function recovery(code: number): Decoded | undefined {
  const demand = RECOVERY_ACTIONS[code];
  if (!demand) return undefined;
  const text = `GPU recovery action changed from 0x0 (None) to 0x${code.toString(16)} (${demand.name})`;
  const decoded = decodeFirmware(text, 154);
  return decoded?.verdict
    ? { facts: { to_code: code, to_label: demand.name }, verdict: decoded.verdict }
    : undefined;
}

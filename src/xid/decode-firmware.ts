import { decodeCommon } from './decode-application.ts';
import { RECOVERY_ACTIONS } from './nvidia-actions.ts';
import type { Decoded, Decoder } from './verdict.ts';

/** XID 62 (PMU), 119 and 120 (GSP), 143 (FSP), 154 (recovery action), 110: the GPU's own processors. */
export const decodeFirmware: Decoder = (text, xid) => {
  switch (xid) {
    case 62:
      return halt(text);
    case 119:
    case 175:
      return rpcTimeout(text);
    case 120:
      return gspException(text);
    case 143:
      return fspStatus(text);
    case 154:
      return recoveryAction(text);
    default:
      return undefined;
  }
};

/** Whether the firmware or the part below it failed is not in the words of the controller. */
function halt(text: string): Decoded | undefined {
  const decoded = decodeCommon(text, 62);
  return decoded ? { ...decoded, verdict: { confidence: 'medium' } } : undefined;
}

function rpcTimeout(text: string): Decoded | undefined {
  const found =
    /^Timeout (?:after (\d+)s of )?waiting for RPC (?:response )?from (?:GPU(\d+) )?GSP!?(?:.*?Expected function (\d+) \(([^)]*)\)(?: sequence (\d+))? ?\((0x[0-9a-f]+) (0x[0-9a-f]+)\))?/i.exec(
      text,
    );
  if (!found) return undefined;
  const [, seconds, gpu, number, name, sequence, data0, data1] = found;
  return {
    facts: {
      timeout_s: numberOrNull(seconds),
      gpu_index: numberOrNull(gpu),
      function: numberOrNull(number),
      function_name: name ?? null,
      data0: data0 ?? null,
      data1: data1 ?? null,
      ...(sequence === undefined ? {} : { sequence: Number(sequence) }),
    },
  };
}

const numberOrNull = (digits: string | undefined) => (digits === undefined ? null : Number(digits));

function gspException(text: string): Decoded | undefined {
  const found =
    /^GSP (task|kernel) exception: (.*?)(?: \(cause:(0x[0-9a-f]+)\))?(?: @ pc:(0x[0-9a-f]+))?(?:, partition:(\d+)#(\d+))?(?:, task:(\d+))?$/i.exec(
      text,
    );
  if (!found) return undefined;
  const [, where, exception, cause, pc, partition, instance, task] = found;
  return {
    facts: {
      where,
      exception,
      cause: cause ?? null,
      pc: pc ?? null,
      partition: partition === undefined ? null : Number(partition),
      partition_instance: instance === undefined ? null : Number(instance),
      task: task === undefined ? null : Number(task),
    },
  };
}

function fspStatus(text: string): Decoded | undefined {
  const found =
    /^Error status (0x[0-9a-f]+) while polling for FSP|^FSP .*Status = (0x[0-9a-f]+)/i.exec(text);
  return found ? { facts: { fsp_status: found[1] ?? found[2] } } : undefined;
}

/**
 * `GPU recovery action changed from 0xA (label) to 0xB (label)`. The code after `to` is the
 * verdict: labels differ between branches (R610 prints 0x1 as `PF FLR`), codes do not.
 */
function recoveryAction(text: string): Decoded | undefined {
  const found =
    /^GPU recovery action changed from (0x[0-9a-f]{1,4}) \((.{0,64}?)\) to (0x[0-9a-f]{1,4}) \((.{0,64}?)\)/i.exec(
      text,
    );
  if (!found) return undefined;
  const [, from, fromLabel, to, toLabel] = found;
  const code = Number(to);
  const demand = RECOVERY_ACTIONS[code];
  const facts = {
    from_code: Number(from),
    from_label: fromLabel,
    to_code: code,
    to_label: toLabel,
  };
  if (code === 0) {
    return {
      facts,
      role: 'clear',
      rank: 0,
      verdict: {
        action: 'none',
        severity: 'info',
        confidence: 'high',
        title: 'GPU recovery action withdrawn',
        meaning: 'The driver asks for nothing any more: the GPU was reset or recovered.',
        advice: 'Nothing to do; check that the GPU works.',
        source: 'XID 154 of the driver (0x0)',
      },
    };
  }
  return {
    facts,
    rank: 12,
    verdict: {
      action: demand?.action ?? 'contact_support',
      severity: 'critical',
      confidence: demand ? 'high' : 'low',
      meaning: `The driver asks for: ${demand?.name ?? `code ${code}, which this program does not know`}.`,
      advice: demand?.advice ?? 'Ask NVIDIA what this recovery action means.',
      source: `XID 154 of the driver (0x${code.toString(16)})`,
    },
  };
}

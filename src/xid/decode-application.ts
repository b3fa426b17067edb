import { type Decoded, type Decoder, hex } from './verdict.ts';

/** Ranks order candidates for the root; a program's own fault comes before its clean-up. */
export const RANK_APPLICATION = 40;

/**
 * XID 13, 31, 32, 39-41, 43, 45, 68, 69, 109 and their like: faults of programs first, of the GPU
 * only when several programs fail on it. Also the bare words that very old drivers printed.
 */
export const decodeApplication: Decoder = (text, xid) => {
  switch (xid) {
    case 13:
      return graphics(text) ?? classError(text);
    case 31:
      return mmuFault(text);
    case 69:
      return classError(text);
    case 109:
      return contextSwitch(text);
    case 16:
      return head(text);
    default:
      return undefined;
  }
};

/** What any number can print: a channel, register words, a parser error. */
export const decodeCommon: Decoder = text =>
  parseError(text) ?? legacyChannel(text) ?? commandWords(text) ?? channelText(text) ?? words(text);

function graphics(text: string): Decoded | undefined {
  const place =
    /^Graphics (SM Warp |SM Global )?Exception on \(GPC (\d+), TPC (\d+)(?:, SM (\d+))?\): (.*)$/.exec(
      text,
    );
  if (place) {
    const [, kind, gpc, tpc, sm, error = ''] = place;
    return {
      facts: {
        exception: (kind ?? 'Graphics').trim(),
        gpc: Number(gpc),
        tpc: Number(tpc),
        sm: sm === undefined ? null : Number(sm),
        error: error.trim(),
      },
      rank: RANK_APPLICATION,
    };
  }
  const registers = [...text.matchAll(/\b(0x[0-9a-f]+)=(0x[0-9a-f]+)/gi)].slice(0, 16);
  if (/Exception: ESR /.test(text) && registers.length > 0) {
    return {
      facts: {
        exception: 'ESR',
        registers: Object.fromEntries(registers.map(([, name = '', value]) => [name, value])),
      },
      role: 'notice',
      rank: RANK_APPLICATION - 1,
    };
  }
  const plain = /^Graphics Exception: (?!ChID)(.+)$/.exec(text);
  return plain
    ? { facts: { exception: 'Graphics', error: (plain[1] ?? '').trim() }, rank: RANK_APPLICATION }
    : undefined;
}

function classError(text: string): Decoded | undefined {
  const found =
    /^(Class Error|Graphics Exception): ChI[dD] ([0-9a-f]+), Class ([0-9a-f]+), Offset ([0-9a-f]+), Data ([0-9a-f]+)(?:, ErrorCode ([0-9a-f]+))?/.exec(
      text,
    );
  if (!found) return undefined;
  const [, exception, channelId, klass, offset, data, errorCode] = found;
  return {
    facts: {
      exception,
      channel_id: channelId,
      klass,
      offset,
      data,
      error_code: errorCode ?? null,
    },
    rank: RANK_APPLICATION,
  };
}

function mmuFault(text: string): Decoded | undefined {
  const old = /^(?:Ch |channel 0x)([0-9a-f]{8}), engmask ([0-9a-f]+), intr ([0-9a-f]+)/.exec(text);
  if (old) {
    const [, channel = '', engmask, intr] = old;
    return { facts: { channel: hex(channel), engmask, intr }, rank: RANK_APPLICATION };
  }
  const found =
    /^(?:(?:Ch |channel 0x)([0-9a-f]{8}), intr ([0-9a-f]+)\. )?MMU Fault: ENGINE (\S+)(?: (GPC\d+))?(?: (\S+))? faulted @ 0x([0-9a-f]+)_([0-9a-f]+)\. Fault is of type (\w+) ?(?:ACCESS_TYPE_)?(\w+)?/.exec(
      text,
    );
  if (!found) return undefined;
  const [, channel, intr, engine, gpc, client, high = '', low = '', fault, access] = found;
  return {
    facts: {
      channel: channel === undefined ? null : hex(channel),
      intr: intr ?? null,
      engine,
      gpc: gpc ?? null,
      client: client ?? null,
      address: `0x${high}${low}`,
      fault_type: fault,
      access_type: access === undefined ? null : `ACCESS_TYPE_${access}`,
    },
    rank: RANK_APPLICATION,
  };
}

function contextSwitch(text: string): Decoded | undefined {
  const found =
    /^(?:Ch |channel 0x)([0-9a-f]{8}), (?:errorString )?(CTX SWITCH TIMEOUT)(?:, Info (0x[0-9a-f]+))?/.exec(
      text,
    );
  if (!found) return undefined;
  const [, channel = '', error, info] = found;
  return { facts: { channel: hex(channel), error, info: info ?? null } };
}

function head(text: string): Decoded | undefined {
  const found = /^Head ([0-9a-f]{8}) Count ([0-9a-f]{8})/.exec(text);
  return found ? { facts: { head: hex(found[1] ?? ''), count: found[2] } } : undefined;
}

function parseError(text: string): Decoded | undefined {
  const found = /^PE([0-9a-f]{4})\b/.exec(text);
  return found ? { facts: { parse_error: found[1] } } : undefined;
}

function legacyChannel(text: string): Decoded | undefined {
  const found = /^Ch ([0-9a-f]{8}) M ([0-9a-f]{8}) D ([0-9a-f]{8}) intr ([0-9a-f]{8})/.exec(text);
  if (!found) return undefined;
  const [, channel = '', method, data, intr] = found;
  return { facts: { channel: hex(channel), method, data, intr } };
}

function commandWords(text: string): Decoded | undefined {
  const found = /^(CCMDs|CMDre)((?: [0-9a-f]{8})+)/.exec(text);
  if (!found) return undefined;
  return { facts: { form: found[1], words: (found[2] ?? '').trim().split(' ').slice(0, 32) } };
}

/** `Ch 00000008` and `channel 0x00000008`, alone or before register words. */
function channelText(text: string): Decoded | undefined {
  const found = /^(?:Ch(?:annel)? (?:ID )?|channel 0x)([0-9a-f]{8})(?=$|[\s,.])(.*)$/s.exec(text);
  if (!found) return undefined;
  const rest = (found[2] ?? '').replace(/^[,.]?\s*/, '');
  const channel = hex(found[1] ?? '');
  const registers = /^[0-9a-f]{8}(?: [0-9a-f]{8})*\s*$/.test(rest)
    ? { words: rest.trim().split(' ').slice(0, 32) }
    : {};
  return { facts: { channel, ...registers } };
}

/** `1d6e(35f8) 00000000 00000000`: words of a micro-controller. */
function words(text: string): Decoded | undefined {
  return /^[0-9a-f]{4,8}(?:\([0-9a-f]+\))?(?: [0-9a-f]{4,8}(?:\([0-9a-f]+\))?)+\s*$/.test(text)
    ? { facts: { words: text.trim().split(' ').slice(0, 32) } }
    : undefined;
}

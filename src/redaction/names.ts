import { createHmac } from 'node:crypto';

/** Whose name it is; stands before the hash, so that a reader knows what a token is of. */
export type NameKind =
  | 'proc'
  | 'pod'
  | 'ns'
  | 'ctr'
  | 'owner'
  | 'claim'
  | 'pool'
  | 'cg'
  | 'label'
  | 'agent'
  | 'word';

/** Names as short keyed hashes: the same name has the same token wherever the same key is used. */
export interface Names {
  /** `pod-3f2a91c0`; of nothing, nothing. */
  token(kind: NameKind, name: string): string;
  /** The pod or namespace behind a token, where its name was seen here. */
  nameOf(token: string): string | undefined;
}

/** 32 bits: among a thousand names the chance that any two share a token is 1 in 8,600. */
const HEX_DIGITS = 8;

/** Whether a text is written as tokens of that kind are. */
export const isToken = (kind: NameKind, text: string): boolean =>
  new RegExp(`^${kind}-[0-9a-f]{${HEX_DIGITS}}$`).test(text);

/** Who has no key cannot try names until one fits: HMAC-SHA-256, cut. */
export function createNames(key: string): Names {
  const seen = new Map<string, string>();
  return {
    token(kind, name) {
      if (name === '') return '';
      const digest = createHmac('sha256', key).update(`${kind}\0${name}`).digest('hex');
      const token = `${kind}-${digest.slice(0, HEX_DIGITS)}`;
      // Only these are ever asked back: a tool is given the token of a pod.
      if (kind === 'pod' || kind === 'ns') seen.set(token, name);
      return token;
    },
    nameOf: token => seen.get(token),
  };
}

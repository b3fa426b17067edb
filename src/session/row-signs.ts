import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { PodState } from '../cluster/port.ts';
import { SessionError } from '../contract/errors.ts';
import { CONTAINER } from '../contract/labels.ts';
import { plainText } from '../contract/untrusted.ts';
import { VERSION } from '../contract/version.ts';
import { SentRow, sentFacts } from '../mcp/results.ts';
import { readPodSign } from './start-signs.ts';

/** What a pod that leaves a row has come to: its row, why there will be none, or what it does. Pure. */
export type RowSign =
  | { readonly kind: 'row'; readonly row: CallToolResult }
  | { readonly kind: 'failed'; readonly error: SessionError }
  | { readonly kind: 'waiting'; readonly words: string };

/** `pullsFailed` counts the failed pulls seen before this one. */
export function readRowSign(pod: PodState, node: string, pullsFailed: number): RowSign {
  const row = rowIn(pod, node);
  if (row instanceof Error) return { kind: 'failed', error: row };
  if (row) return { kind: 'row', row };
  const sign = readPodSign(pod, pullsFailed);
  if (sign.kind === 'failed') {
    return { kind: 'failed', error: new SessionError(sign.sentence, { hint: sign.hint }) };
  }
  const container = pod.containers.find(({ name }) => name === CONTAINER);
  const state = plainText(container?.reason || pod.phase || 'Pending', 80);
  const words = sign.kind === 'waiting' ? (sign.say ?? `is ${state}`) : 'reads its node';
  return { kind: 'waiting', words: `pod ${pod.namespace}/${pod.name}: ${words}` };
}

/** The row in a pod's last words; undefined while it has said none. */
function rowIn({ containers }: PodState, node: string): CallToolResult | SessionError | undefined {
  const container = containers.find(({ name }) => name === CONTAINER);
  if (container?.state !== 'terminated') return undefined;
  const sent = sentRowIn(container.message);
  if (!sent) return undefined;
  const { version, provenance, facts } = sent;
  if (version === VERSION) return sentFacts(facts, provenance);
  return new SessionError(
    `the agent on ${node} is version ${plainText(version, 40)}, this plugin is ${VERSION}`,
    { hint: `use the image of version ${VERSION}` },
  );
}

function sentRowIn(message: string): SentRow | undefined {
  try {
    return SentRow.safeParse(JSON.parse(message)).data;
  } catch {
    return undefined;
  }
}

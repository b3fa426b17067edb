import { PassThrough } from 'node:stream';
import type { Link, LinkEnd } from '../../src/session/link.ts';
import { asJson, type Json } from '../cluster/fake-api-server.ts';

/** A link in memory. */
export function pipeLink(more: Pick<Link, 'whoIsSilent' | 'firstWords'> = {}) {
  const toAgent = new PassThrough();
  const fromAgent = new PassThrough();
  let end: (reason: LinkEnd) => void = () => {};
  const ended = new Promise<LinkEnd>(resolve => {
    end = resolve;
  });
  const link: Link = {
    toAgent,
    fromAgent,
    ended,
    close: async () => {
      end({ kind: 'closed', detail: 'closed' });
      return { removed: null, verified: true };
    },
    ...more,
  };
  return {
    link,
    toAgent,
    fromAgent,
    /** The agent's side ends. */
    end,
    agentSays: (bytes: Buffer) => fromAgent.write(bytes),
    agentHears: (hear: (message: Json) => void) => {
      let text = '';
      toAgent.on('data', chunk => {
        const lines = (text + chunk).split('\n');
        text = lines.pop() ?? '';
        for (const line of lines) hear(asJson(JSON.parse(line)));
      });
    },
  };
}

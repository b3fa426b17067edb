import { PassThrough } from 'node:stream';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { ClientCapabilities } from '@modelcontextprotocol/sdk/types.js';
import { createAgentServer } from '../../src/agent/serve.ts';
import { serveBridge } from '../../src/bridge/bridge.ts';
import { namedNodes } from '../../src/bridge/node-pool.ts';
import type { Clock } from '../../src/contract/time.ts';
import { StreamTransport } from '../../src/mcp/stream-transport.ts';
import type { Link, LinkEnd } from '../../src/session/link.ts';
import type { Session } from '../../src/session/port.ts';
import { createSession } from '../../src/session/session.ts';
import type { Instruments } from '../../src/tools/instruments.ts';

const LINES = { lineBytesMax: 1e7 };

/** The real session with the real agent's server, in this process: only the pod is left out. */
export const agentSession = (target: string, instruments: Instruments): Session =>
  createSession({ target, openLink: () => linkTo(instruments) });

async function linkTo(instruments: Instruments): Promise<Link> {
  const toAgent = new PassThrough();
  const fromAgent = new PassThrough();
  let end: (how: LinkEnd) => void = () => {};
  const ended = new Promise<LinkEnd>(resolve => {
    end = resolve;
  });
  const server = createAgentServer(instruments);
  await server.connect(new StreamTransport(toAgent, fromAgent, LINES));
  return {
    toAgent,
    fromAgent,
    ended,
    async close() {
      await server.close();
      end({ kind: 'closed', detail: 'closed' });
      return { removed: null, verified: true };
    },
  };
}

/** A real MCP client on the real bridge over these sessions. */
export const clientOf = (...sessions: Session[]): Promise<Client> =>
  clientBy({ nowMs: () => Date.parse('2026-03-01T12:00:00Z') }, ...sessions);

/** The same on a machine with this clock. */
export const clientBy = (clock: Clock, ...sessions: Session[]): Promise<Client> =>
  clientWith({ nodes: namedNodes(sessions), clock });

/** The same on any nodes. */
export async function clientWith(
  served: Omit<Parameters<typeof serveBridge>[0], 'input' | 'output'>,
  capabilities: ClientCapabilities = {},
): Promise<Client> {
  const input = new PassThrough();
  const output = new PassThrough();
  void serveBridge({ ...served, input, output });
  const client = new Client({ name: 'test', version: '1' }, { capabilities });
  await client.connect(new StreamTransport(output, input, LINES));
  return client;
}

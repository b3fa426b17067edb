import type { Redaction } from '../bridge/redacted-session.ts';
import { firstQuestionText } from '../contract/first-question.ts';
import type { LiveSession, Session } from '../session/port.ts';
import type { OpenLink } from '../session/session.ts';
import type { Invocation } from './command.ts';
import type { TargetFlags } from './flags.ts';
import type { SessionRecord } from './record.ts';

/** What the sessions of a command line are made with. */
export interface SessionOptions extends Invocation<TargetFlags> {
  /** With --redact-names. */
  readonly redaction: Redaction | undefined;
  /** With --record. */
  readonly record?: SessionRecord | undefined;
}

/** A session whose code is loaded at its first call: the handshake needs none of it. */
export function deferredSession(target: string, openLink: OpenLink): Session {
  let session: Promise<LiveSession> | undefined;
  const loaded = () => {
    session ??= import('../session/session.ts').then(({ createSession }) =>
      createSession({ target, openLink }),
    );
    return session;
  };
  return {
    target,
    call: async request => (await loaded()).call(request),
    nodeNowMs: async signal => (await loaded()).nodeNowMs(signal),
    start: async (signal, onProgress) => (await loaded()).start(signal, onProgress),
    close: async () => (await session)?.close() ?? { removed: null, verified: true, left: [] },
  };
}

/** A session with an agent on this machine. */
export function childSession(
  target: string,
  agentArguments: readonly string[],
  { io, redaction }: Pick<SessionOptions, 'io' | 'redaction'>,
): Session {
  return deferredSession(target, async (signal, _onProgress, _onHeld, first) => {
    const { openLocalLink } = await import('../session/link.ts');
    const question = first && firstQuestionText(first);
    const link = await openLocalLink(
      {
        agentFile: io.program.agent,
        agentArguments: [
          ...agentArguments,
          ...(redaction?.agentArguments ?? []),
          ...(question === undefined ? [] : ['--first-question', question]),
        ],
        environment: io.environment,
      },
      signal,
    );
    return redaction?.keyed(link) ?? link;
  });
}

import type { LiveSession, Session } from '../session/port.ts';
import type { OpenLink } from '../session/session.ts';

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
    close: async () => (await session)?.close() ?? { removed: null, verified: true },
  };
}

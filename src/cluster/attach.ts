import WebSocket from 'ws';
import { ClusterError } from '../contract/errors.ts';
import { ATTACH_BUFFER_BYTES_MAX, ATTACH_HANDSHAKE_MS_MAX } from '../contract/limits.ts';
import { apiError, unreachable } from './errors.ts';
import type { Route } from './http.ts';
import { parseJson, textOf } from './json.ts';
import type { AttachStream, ClusterAccess } from './port.ts';
import { SocketStream } from './socket-stream.ts';

/** k8s.io/apimachinery/pkg/util/remotecommand: only v5 has a half-close. */
const PROTOCOL = 'v5.channel.k8s.io';
/** Of a refusal's body. */
const REFUSAL_BYTES_MAX = 64 * 1024;

/** The API server, or something before it, does not speak v5: kubectl may still get through. */
export class AttachUnsupported extends ClusterError {}

/**
 * Opens the attach stream and resolves when the server says that it is attached (an empty frame on
 * channel 1) or sends data.
 *
 * @throws ApiError when the API server refuses, AttachUnsupported when v5 is not spoken here,
 * ClusterError when there is no answer or the container cannot be attached to.
 */
export function openAttach(
  route: Route,
  access: ClusterAccess,
  signal: AbortSignal,
): Promise<AttachStream> {
  const url = new URL(route.url);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url, [PROTOCOL], {
    ...route.options,
    perMessageDeflate: false,
    handshakeTimeout: ATTACH_HANDSHAKE_MS_MAX,
    // Frames of the server are 32 KiB; this bounds what a hostile one can make us hold.
    maxPayload: 4 * ATTACH_BUFFER_BYTES_MAX,
  });
  socket.binaryType = 'nodebuffer';
  const stream = new SocketStream(socket);
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      signal.removeEventListener('abort', abort);
      reject(error);
    };
    const abort = () => {
      stream.destroy();
      fail(signal.reason);
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    socket.on('unexpected-response', async (_request, response) => {
      const body = await readSome(response);
      const code = response.statusCode ?? 0;
      socket.terminate();
      fail(refusal({ code, body, access }));
    });
    socket.on('error', error => {
      const wrongProtocol = /subprotocol/i.test(error.message);
      fail(
        wrongProtocol
          ? new AttachUnsupported('the API server does not speak attach v5', { cause: error })
          : unreachable(error, access),
      );
    });
    void stream.ended.then(end =>
      fail(
        new ClusterError(`the container cannot be attached to: ${end.detail || 'it has ended'}`),
      ),
    );
    stream.onReady = () => {
      signal.removeEventListener('abort', abort);
      resolve(stream);
    };
  });
}

function refusal(answer: { code: number; body: string; access: ClusterAccess }): ClusterError {
  const isStatus = textOf(parseJson(answer.body), 'kind') === 'Status';
  const error = apiError({ ...answer, doing: 'attach to the pod' });
  // A proxy that knows no WebSockets answers with a page of its own, an API server before 1.30
  // with the runtime's plain text. A Status is the API server's own word on the pod.
  if (isStatus && !/upgrade|subprotocol/i.test(error.message)) return error;
  return new AttachUnsupported(error.message, { cause: error });
}

async function readSome(response: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  try {
    for await (const chunk of response) {
      text += chunk.toString('utf8');
      if (text.length > REFUSAL_BYTES_MAX) break;
    }
  } catch {
    // Cut short: what came is what we show.
  }
  return text;
}

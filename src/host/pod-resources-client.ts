import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2';
import { createConnection } from 'node:net';
import { type MissingReason, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';

/** As dcgm-exporter asks for: a large node with many devices exceeds gRPC's 4 MiB. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** Of one answer, in all of its messages: a full node of time-sliced GPUs has some thousands. */
const FIELDS_MAX = 500_000;
const DEVICES_MAX = 4_096;

/** The messages of k8s.io/kubelet pkg/apis/podresources/v1/api.proto, as far as they are read. */

export type ListedDevices = readonly ReturnType<typeof containerDevices>[];
export type ListedPods = readonly ReturnType<typeof podResources>[];

type Message<T> = (message: Buffer, budget: FieldBudget) => T;

const listAnswer: Message<ListedPods> = (message, budget) =>
  all(fieldsIn(message, budget), 1).map(each => podResources(each, budget));

const allocatableAnswer: Message<ListedDevices> = (message, budget) =>
  all(fieldsIn(message, budget), 1).map(each => containerDevices(each, budget));

function podResources(message: Buffer, budget: FieldBudget) {
  const fields = fieldsIn(message, budget);
  const containers = all(fields, 3).map(each => containerResources(each, budget));
  return { name: text(fields, 1), namespace: text(fields, 2), containers };
}

function containerResources(message: Buffer, budget: FieldBudget) {
  const fields = fieldsIn(message, budget);
  return {
    name: text(fields, 1),
    devices: all(fields, 2).map(each => containerDevices(each, budget)),
    dynamicResources: all(fields, 5).map(each => dynamicResource(each, budget)),
  };
}

function containerDevices(message: Buffer, budget: FieldBudget) {
  const fields = fieldsIn(message, budget);
  const ids = all(fields, 2);
  if (ids.length > DEVICES_MAX) throw new RangeError('too many devices');
  return { resourceName: text(fields, 1), deviceIds: ids.map(id => plainText(`${id}`, 128)) };
}

function dynamicResource(message: Buffer, budget: FieldBudget) {
  const fields = fieldsIn(message, budget);
  const claimResources = all(fields, 4).map(each => claimResource(each, budget));
  return { claimName: text(fields, 2), claimNamespace: text(fields, 3), claimResources };
}

function claimResource(message: Buffer, budget: FieldBudget) {
  const fields = fieldsIn(message, budget);
  return { driverName: text(fields, 2), poolName: text(fields, 3), deviceName: text(fields, 4) };
}

const all = (fields: Fields, number: number): readonly Buffer[] => fields.get(number) ?? [];

/** A field that is not there is empty, and of several the last one counts. */
const text = (fields: Fields, number: number): string =>
  plainText(`${all(fields, number).at(-1) ?? ''}`, 253);

const SERVICE = '/v1.PodResourcesLister';

/**
 * Asks the service on this socket for its lists, each answered or refused within the time: two unary
 * calls of gRPC over HTTP/2. Never throws.
 */
export async function askPodResources(
  socket: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<{ pods: Reading<ListedPods>; allocatable: Reading<ListedDevices> }> {
  const session = connect('http://localhost', {
    createConnection: () => createConnection(socket),
    settings: { enablePush: false },
  });
  const over = new Promise<Reading<never>>(resolve => {
    const late = missing('timeout', `the kubelet did not answer in ${deadlineMs} ms`);
    AbortSignal.timeout(deadlineMs).addEventListener('abort', () => resolve(late));
    const cancel = () => resolve(missing('not_read', 'the call was cancelled'));
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel, { once: true });
    session.on('error', error => resolve(missing('not_ready', plainText(error.message, 200))));
    session.on('close', () => {
      signal.removeEventListener('abort', cancel);
      resolve(missing('not_ready', 'the connection was closed'));
    });
  });
  try {
    const [pods, allocatable] = await Promise.all([
      Promise.race([over, call(session, `${SERVICE}/List`, listAnswer)]),
      Promise.race([over, call(session, `${SERVICE}/GetAllocatableResources`, allocatableAnswer)]),
    ]);
    return { pods, allocatable };
  } finally {
    session.destroy();
  }
}

/** Compression flag and length of the message that follows; an empty request is no more than that. */
const PREFIX_BYTES = 5;

/** One call with an empty request; settles when its stream is closed, or before. */
function call<T>(
  session: ClientHttp2Session,
  path: string,
  answer: Message<T>,
): Promise<Reading<T>> {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.end(Buffer.alloc(PREFIX_BYTES));
  const chunks: Buffer[] = [];
  let length = 0;
  let headers: IncomingHttpHeaders = {};
  const add = (more: IncomingHttpHeaders) => {
    headers = { ...headers, ...more };
  };
  stream.on('response', add);
  stream.on('trailers', add);
  return new Promise(resolve => {
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length <= PREFIX_BYTES + MESSAGE_BYTES_MAX) return;
      resolve(missing('unreadable', `an answer of more than ${MESSAGE_BYTES_MAX} bytes`));
      stream.close(constants.NGHTTP2_CANCEL);
    });
    stream.on('error', error => resolve(missing('not_ready', plainText(error.message, 200))));
    stream.on('close', () => {
      resolve(refusalIn(headers) ?? answerIn(Buffer.concat(chunks), answer));
    });
  });
}

function answerIn<T>(body: Buffer, answer: Message<T>): Reading<T> {
  try {
    const whole = body.readUInt8(0) === 0 && body.readUInt32BE(1) === body.length - PREFIX_BYTES;
    if (whole) return present(answer(body.subarray(PREFIX_BYTES), { left: FIELDS_MAX }));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return missing('unreadable', 'unknown form');
}

/** The status of a call as the reason of a Reading; undefined where it succeeded. */
function refusalIn(headers: IncomingHttpHeaders): Reading<never> | undefined {
  const status = headers['grpc-status'];
  if (status === '0') return undefined;
  if (typeof status !== 'string') {
    return missing('not_ready', `no status; HTTP ${headers[':status'] ?? 'closed'}`);
  }
  return missing(reasonOf(Number(status)), plainText(unescaped(headers['grpc-message']), 200));
}

/** `grpc-message` is percent-encoded (PROTOCOL-HTTP2.md of grpc); as it is where it is not. */
function unescaped(message: string | readonly string[] | undefined): string {
  const given = String(message ?? '');
  try {
    return decodeURIComponent(given);
  } catch {
    return given;
  }
}

/** Numbers from gRPC's statuscodes.md. */
function reasonOf(code: number): MissingReason {
  switch (code) {
    case 1:
      return 'not_read';
    case 4:
      return 'timeout';
    case 7:
    case 16:
      return 'no_permission';
    case 12:
      return 'not_supported';
    case 14:
      return 'not_ready';
    default:
      return 'unreadable';
  }
}

/**
 * As much of protobuf's wire format as a message of texts and of messages needs: the fields that have
 * a length, by their number. All others are skipped. https://protobuf.dev/programming-guides/encoding
 */
type Fields = ReadonlyMap<number, readonly Buffer[]>;

/** How many fields of one answer are still looked at: a few bytes of it make an object each. */
interface FieldBudget {
  left: number;
}

const VARINT_BYTES_MAX = 10;

/** @throws RangeError when the bytes are no message, end within a field, or hold too many. */
function fieldsIn(message: Buffer, budget: FieldBudget): Fields {
  const fields = new Map<number, Buffer[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let byte = 0; byte < VARINT_BYTES_MAX; byte++) {
      const next = message.readUInt8(at++);
      value += (next & 0x7f) * 2 ** (7 * byte);
      if (next < 0x80) return value;
    }
    throw new RangeError('a number without an end');
  };
  const take = (length: number): Buffer => {
    if (length > message.length - at) throw new RangeError('a field is longer than its message');
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    if (budget.left-- <= 0) throw new RangeError('too many fields');
    const key = varint();
    const number = Math.floor(key / 8);
    switch (key % 8) {
      case 0:
        varint();
        break;
      case 1:
        take(8);
        break;
      case 2: {
        const bytes = take(varint());
        const same = fields.get(number);
        if (same) same.push(bytes);
        else fields.set(number, [bytes]);
        break;
      }
      case 5:
        take(4);
        break;
      default:
        throw new RangeError(`no field is of type ${key % 8}`);
    }
  }
  return fields;
}

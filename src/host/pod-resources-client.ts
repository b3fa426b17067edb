import { Client, credentials, type MethodDefinition, type ServiceError } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import * as z from 'zod';
import { type MissingReason, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import descriptor from './pod-resources.json' with { type: 'json' };

/** As dcgm-exporter asks for: a large node with many devices exceeds gRPC's 4 MiB. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

const name = z.string().transform(text => plainText(text, 253));
const Devices = z.object({
  resourceName: name,
  deviceIds: z.array(z.string().transform(text => plainText(text, 128))).max(4_096),
});
const ListAnswer = z.object({
  podResources: z.array(
    z.object({
      name,
      namespace: name,
      containers: z.array(
        z.object({
          name,
          devices: z.array(Devices),
          dynamicResources: z.array(
            z.object({
              claimName: name,
              claimNamespace: name,
              claimResources: z.array(
                z.object({ driverName: name, poolName: name, deviceName: name }),
              ),
            }),
          ),
        }),
      ),
    }),
  ),
});
export type ListedPods = z.infer<typeof ListAnswer>['podResources'];
const AllocatableAnswer = z.object({ devices: z.array(Devices) });
export type ListedDevices = z.infer<typeof AllocatableAnswer>['devices'];

/**
 * Asks the service on this socket for its lists, each answered or refused within the time. The
 * descriptor is a part of k8s.io/kubelet pkg/apis/podresources/v1/api.proto. Never throws.
 */
export async function askPodResources(
  socket: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<{ pods: Reading<ListedPods>; allocatable: Reading<ListedDevices> }> {
  const service = loadService();
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.enable_http_proxy': 0,
    'grpc.default_authority': 'localhost',
  });
  const common = { client, signal, deadlineMs };
  try {
    const [pods, allocatable] = await Promise.all([
      call({ ...common, method: service['List'], schema: ListAnswer }),
      call({ ...common, method: service['GetAllocatableResources'], schema: AllocatableAnswer }),
    ]);
    return {
      pods: pods.ok ? present(pods.value.podResources) : pods,
      allocatable: allocatable.ok ? present(allocatable.value.devices) : allocatable,
    };
  } finally {
    client.close();
  }
}

type Method = MethodDefinition<object, object>;

/** The methods of the service, by name. */
function loadService(): Readonly<Record<string, Method>> {
  const json: unknown = descriptor;
  if (!isNamespace(json)) return {};
  const service = fromJSON(json, { defaults: true, arrays: true })['v1.PodResourcesLister'];
  return service && !('format' in service) ? service : {};
}

type Namespace = Parameters<typeof fromJSON>[0];

// The package's type knows no namespace within a namespace; its code does.
const isNamespace = (json: unknown): json is Namespace =>
  typeof json === 'object' && json !== null && 'nested' in json;

function call<Schema extends z.ZodType>(options: {
  readonly client: Client;
  readonly method: Method | undefined;
  readonly schema: Schema;
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
}): Promise<Reading<z.infer<Schema>>> {
  const { client, method, schema, signal, deadlineMs } = options;
  if (!method) return Promise.resolve(missing('not_supported'));
  return new Promise(resolve => {
    const end = (reading: Reading<z.infer<Schema>>) => {
      signal.removeEventListener('abort', cancel);
      resolve(reading);
    };
    const cancel = () => {
      end(missing('not_read', 'the call was cancelled'));
      running.cancel();
    };
    // A timer of ours and no deadline of gRPC's, which would be a time of the clock.
    AbortSignal.timeout(deadlineMs).addEventListener('abort', () => {
      end(missing('timeout', `the kubelet did not answer in ${deadlineMs} ms`));
      running.cancel();
    });
    const { path, requestSerialize, responseDeserialize } = method;
    const running = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      {},
      (error, answer) => {
        if (error) return end(missingOf(error));
        const parsed = schema.safeParse(answer);
        end(parsed.success ? present(parsed.data) : missing('unreadable', 'unknown form'));
      },
    );
    signal.addEventListener('abort', cancel);
    if (signal.aborted) cancel();
  });
}

/** The status of a call as the reason of a Reading; numbers from gRPC's statuscodes.md. */
function missingOf({ code, details }: ServiceError): Reading<never> {
  return missing(reasonOf(code), plainText(details, 200));
}

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

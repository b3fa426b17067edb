import { join } from 'node:path';
import { type handleUnaryCall, Server, ServerCredentials } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import descriptor from './pod-resources.json' with { type: 'json' };

type Answer = object | { readonly code: number; readonly details: string } | 'never';
type Handler = handleUnaryCall<object, object>;

/**
 * A kubelet's pod-resources service at its place below what we see as a node's root, by grpc-js: an
 * implementation that is not ours. Gives what stops it.
 */
export async function startKubelet(
  hostRoot: string,
  answers: { readonly List: Answer; readonly GetAllocatableResources?: Answer },
): Promise<() => void> {
  const server = new Server();
  const service = Object(fromJSON(Object(descriptor), { defaults: true }))['v1.PodResourcesLister'];
  const handler =
    (answer: Answer = { code: 12, details: 'not implemented' }): Handler =>
    (_, done) => {
      if (answer === 'never') return;
      if ('code' in answer) done(answer);
      else done(null, answer);
    };
  server.addService(service, {
    List: handler(answers.List),
    GetAllocatableResources: handler(answers.GetAllocatableResources),
  });
  const socket = join(hostRoot, 'var/lib/kubelet/pod-resources/kubelet.sock');
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    );
  });
  return () => server.forceShutdown();
}

import { join } from 'node:path';
import { type handleUnaryCall, Server, ServerCredentials } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { afterEach } from 'vitest';
import descriptor from './pod-resources.json' with { type: 'json' };

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.forceShutdown();
});

type Answer = object | { readonly code: number; readonly details: string } | 'never';
type Handler = handleUnaryCall<object, object>;

/** A kubelet's pod-resources service on a socket below a node's root. */
export async function kubelet(
  root: string,
  answers: { readonly List: Answer; readonly GetAllocatableResources?: Answer },
): Promise<void> {
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
  const socket = join(root, 'host/var/lib/kubelet/pod-resources/kubelet.sock');
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    );
  });
  open.push(server);
}

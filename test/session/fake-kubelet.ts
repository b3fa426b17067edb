import type { WebSocket } from 'ws';
import { asJson, type FakeApiServer, type Json } from '../cluster/fake-api-server.ts';

/** What becomes of a pod after it was created: statuses in order, and events. */
export interface Fate {
  readonly statuses: readonly Json[];
  readonly events?: readonly Json[];
}

export const running: Fate = {
  statuses: [
    {
      phase: 'Pending',
      containerStatuses: [container({ waiting: { reason: 'ContainerCreating' } })],
    },
    { phase: 'Running', containerStatuses: [container({ running: {} })] },
  ],
};

export function container(state: Json): Json {
  return { name: 'mcp', image: 'example/gpu-mcp:1', state };
}

/** A Job controller and a kubelet: pods of Jobs appear, and each pod meets its fate. */
export function runKubelet(api: FakeApiServer, fate: (pod: Json) => Fate = () => running): void {
  api.put('nodes', node());
  api.onCreate = (resource, object) => {
    const metadata = asJson(object['metadata']);
    if (resource === 'jobs') {
      const template = asJson(asJson(object['spec'])['template']);
      const pod = {
        metadata: {
          ...asJson(template['metadata']),
          namespace: metadata['namespace'],
          name: `${metadata['name']}-abcde`,
          ownerReferences: [{ kind: 'Job', name: metadata['name'] }],
        },
        spec: template['spec'],
      };
      meet(api, api.put('pods', pod), fate(pod));
    }
    if (resource === 'pods') meet(api, object, fate(object));
  };
}

function meet(api: FakeApiServer, pod: Json, { statuses, events = [] }: Fate): void {
  const { namespace, name } = asJson(pod['metadata']);
  for (const status of statuses) api.put('pods', { ...pod, status });
  for (const [index, event] of events.entries()) {
    api.put('events', {
      metadata: { namespace, name: `${name}.${index}` },
      involvedObject: { name },
      ...event,
    });
  }
}

export function node(more: Json = {}): Json {
  return {
    metadata: { name: 'node-a', labels: {} },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      nodeInfo: { osImage: 'Ubuntu 24.04', operatingSystem: 'linux', kubeletVersion: 'v1.37.2' },
    },
    ...more,
  };
}

/** An agent behind the attach: answers each line with what `reply` makes of it. */
export function runAgent(
  api: FakeApiServer,
  reply: (message: Json, socket: WebSocket) => Json | undefined,
): void {
  api.onAttach = socket => {
    let text = '';
    const write = (line: string) => socket.send(Buffer.concat([Buffer.of(1), Buffer.from(line)]));
    socket.send(Buffer.of(1));
    socket.on('message', (data: Buffer) => {
      if (data[0] === 255) {
        socket.send(Buffer.concat([Buffer.of(3), Buffer.from('{"status":"Success"}')]));
        socket.close(1000);
        return;
      }
      const lines = (text + data.subarray(1).toString('utf8')).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const message = asJson(JSON.parse(line));
        const result = reply(message, socket);
        if (result) write(`${JSON.stringify({ jsonrpc: '2.0', id: message['id'], ...result })}\n`);
      }
    });
  };
}

export const initialized = (version: string): Json => ({
  result: {
    protocolVersion: '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'gpu-mcp-agent', version },
  },
});

import { ANNOTATIONS, LABELS, MANAGED_BY } from '../../src/contract/labels.ts';
import { FakeApiServer } from '../cluster/fake-api-server.ts';

/** A cluster with a few of each thing that has a name. */
export async function namedCluster(): Promise<FakeApiServer> {
  const api = await FakeApiServer.start();
  for (const name of ['gpu-a', 'gpu-b', 'cpu-1']) {
    const isGpu = name.startsWith('gpu');
    const labels = isGpu ? { 'nvidia.com/gpu.present': 'true' } : {};
    api.put('nodes', { metadata: { name, labels }, status: {} });
  }
  for (const name of ['gpu-mcp', 'other']) api.put('namespaces', { metadata: { name } });
  for (const [namespace, name] of [
    ['gpu-mcp', 'train-0'],
    ['gpu-mcp', 'train-1'],
    ['other', 'web'],
  ]) {
    const ownerReferences = [{ kind: 'Job', name: 'train', controller: true }];
    api.put('pods', {
      metadata: { namespace, name, ...(name?.startsWith('train') && { ownerReferences }) },
      spec: {
        nodeName: 'gpu-a',
        containers: [{ name: `${name}-main` }, { name: 'log' }],
        initContainers: [{ name: 'proxy', restartPolicy: 'Always' }, { name: 'setup' }],
      },
      status: {},
    });
  }
  const own = {
    namespace: 'gpu-mcp',
    name: 'gpu-mcp-gpu-a-x',
    labels: { [LABELS.managedBy]: MANAGED_BY },
    annotations: { [ANNOTATIONS.session]: 'x' },
  };
  api.put('jobs', { metadata: own, spec: {}, status: {} });
  return api;
}

/** Contexts of a kubeconfig besides its own. */
export const CONTEXTS = {
  contexts: ['fake', 'prod-a', 'prod b', 'bad\n:0'].map(name => ({
    name,
    context: { cluster: 'fake', user: 'alice', namespace: 'gpu-mcp' },
  })),
};

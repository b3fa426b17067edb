import { afterEach, beforeEach } from 'vitest';
import type { Cluster } from '../../src/cluster/port.ts';
import { FakeApiServer } from './fake-api-server.ts';

/** Before each test an API server of data with a client of it, both of which are closed behind it. */
export function eachConnected(take: (api: FakeApiServer, cluster: Cluster) => void): void {
  let close = async (): Promise<void> => undefined;
  beforeEach(async () => {
    const api = await FakeApiServer.start();
    const cluster = await api.connect();
    close = async () => {
      cluster.close();
      await api[Symbol.asyncDispose]();
    };
    take(api, cluster);
  });
  afterEach(() => close());
}

import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../src/cluster/kubernetes-cluster.ts';

/** An authority, a server that it calls api.gpu-mcp.test and nothing else, and a client "alice". */
const FIXTURES = new URL('../fixtures/tls/', import.meta.url);
const NAME = 'api.gpu-mcp.test';

const signal = new AbortController().signal;
let server: Server;
let folder = '';
/** Whom the server was asked for, and by whom. */
const seen = { servername: '', client: '' };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tls-'));
  for (const file of ['ca.crt', 'client.crt', 'client.key']) {
    await copyFile(new URL(file, FIXTURES), join(folder, file));
  }
  const [ca, cert, key] = await Promise.all(
    ['ca.crt', 'server.crt', 'server.key'].map(file => readFile(new URL(file, FIXTURES))),
  );
  server = createServer(
    {
      ca: ca ?? '',
      cert: cert ?? '',
      key: key ?? '',
      requestCert: true,
      rejectUnauthorized: false,
    },
    ({ socket }, response) => {
      if (!(socket instanceof TLSSocket)) throw new Error('no TLS');
      seen.servername = String(Object(socket)['servername']);
      seen.client = socket.authorized ? String(socket.getPeerCertificate().subject.CN) : '';
      response.end(JSON.stringify({ kind: 'Node', metadata: { name: 'node-a' } }));
    },
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
beforeEach(() => Object.assign(seen, { servername: '', client: '' }));
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

/** Asks for a node with this cluster and user in a kubeconfig beside the files. */
async function ask(cluster: object, user: object = {}): Promise<string> {
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const kubeconfig = join(folder, 'config');
  const document = {
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${port}`, ...cluster } }],
    users: [{ name: 'u', user }],
  };
  await writeFile(kubeconfig, JSON.stringify(document));
  const access = { flags: { kubeconfig }, environment: {}, clock: { nowMs: () => 0 } };
  const connected = await connect(access);
  try {
    return (await connected.getNode('node-a', signal)).name;
  } finally {
    connected.close();
  }
}

const data = async (file: string) => (await readFile(join(folder, file))).toString('base64');

describe('the server', () => {
  test('goes by the name of tls-server-name, whatever its address is', async () => {
    expect(await ask({ 'certificate-authority': 'ca.crt', 'tls-server-name': NAME })).toBe(
      'node-a',
    );
    expect(seen.servername).toBe(NAME);
  });

  test('of another name is refused', async () => {
    await expect(ask({ 'certificate-authority': 'ca.crt' })).rejects.toThrow(
      /the certificate of the API server .* is not accepted \(ERR_TLS_CERT_ALTNAME_INVALID\)/,
    );
  });

  test('of an authority that nobody named is refused, and accepted where nobody shall look', async () => {
    await expect(ask({ 'tls-server-name': NAME })).rejects.toThrow('is not accepted');
    expect(await ask({ 'insecure-skip-tls-verify': true })).toBe('node-a');
  });
});

describe('the client', () => {
  const cluster = { 'certificate-authority': 'ca.crt', 'tls-server-name': NAME };

  test('shows its certificate; both paths count from the kubeconfig', async () => {
    await ask(cluster, { 'client-certificate': 'client.crt', 'client-key': 'client.key' });
    expect(seen.client).toBe('alice');
  });

  test('shows the certificate that stands in the kubeconfig itself', async () => {
    const inside = { 'certificate-authority-data': await data('ca.crt'), 'tls-server-name': NAME };
    await ask(inside, {
      'client-certificate-data': await data('client.crt'),
      'client-key-data': await data('client.key'),
    });
    expect(seen.client).toBe('alice');
  });

  test('whose key is not there is told which', async () => {
    await expect(
      ask(cluster, { 'client-certificate': 'client.crt', 'client-key': 'other.key' }),
    ).rejects.toThrow(`client key ${join(folder, 'other.key')} cannot be read (ENOENT)`);
  });
});

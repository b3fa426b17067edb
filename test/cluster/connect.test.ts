import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect as connectTo } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connect } from '../../src/cluster/kubernetes-cluster.ts';
import { VERSION } from '../../src/contract/version.ts';
import { until } from '../fakes/until.ts';
import { FakeApiServer, status } from './fake-api-server.ts';

const signal = new AbortController().signal;
const clock = { nowMs: () => 0 };
let api: FakeApiServer;

beforeEach(async () => {
  api = await FakeApiServer.start();
  api.put('nodes', { metadata: { name: 'node-a' } });
});
afterEach(() => api[Symbol.asyncDispose]());

describe('kubeconfig', () => {
  test('of two files with the same cluster name the first wins, as in kubectl', async () => {
    const first = await api.kubeconfig();
    const second = await api.kubeconfig(
      {
        clusters: [{ name: 'fake', cluster: { server: 'http://127.0.0.1:1' } }],
        'current-context': 'other',
      },
      'second',
    );
    const cluster = await connect({
      flags: {},
      environment: { KUBECONFIG: `${first}:${second}` },
      clock,
    });
    expect(cluster.access).toMatchObject({
      server: api.url,
      context: 'fake',
      namespace: 'gpu-mcp',
      user: 'alice',
    });
  });

  test('a file of $KUBECONFIG that is not there is skipped, one of --kubeconfig is named', async () => {
    const there = await api.kubeconfig();
    const cluster = await connect({
      flags: {},
      environment: { KUBECONFIG: `/nowhere/config:${there}` },
      clock,
    });
    expect(cluster.access.context).toBe('fake');
    await expect(
      connect({ flags: { kubeconfig: '/nowhere/config' }, environment: {}, clock }),
    ).rejects.toThrow('the kubeconfig /nowhere/config cannot be read (ENOENT)');
  });

  test('text that is no YAML names its file', async () => {
    const file = await api.kubeconfig();
    await writeFile(file, 'clusters: [}');
    await expect(api.connect({ kubeconfig: file })).rejects.toThrow(
      `the kubeconfig ${file} is not YAML`,
    );
  });

  test('an unknown context names those that exist', async () => {
    await expect(api.connect({ context: 'prod' })).rejects.toMatchObject({
      message: 'the kubeconfig has no context "prod"',
      hint: 'known: fake',
      exit: 3,
    });
  });

  test('without any kubeconfig and outside a pod the error says what to set', async () => {
    await expect(
      connect({ flags: { kubeconfig: '' }, environment: { KUBECONFIG: '/nowhere' }, clock }),
    ).rejects.toThrow('there is no kubeconfig');
  });

  test('a relative path counts from the file that holds it', async () => {
    const file = await api.kubeconfig({
      users: [{ name: 'alice', user: { tokenFile: 'token' } }],
    });
    await writeFile(join(dirname(file), 'token'), 'from-file\n');
    const cluster = await api.connect({ kubeconfig: file });
    await cluster.getNode('node-a', signal);
    expect(api.requests[0]?.headers.authorization).toBe('Bearer from-file');
  });
});

describe('who asks', () => {
  test('impersonation with groups, uid and extra goes into headers; so does our name', async () => {
    const cluster = await api.connect({ as: 'bob', asGroup: ['sre', 'gpu'], asUid: 'u-1' });
    await cluster.getNode('node-a', signal);
    expect(api.requests[0]?.headers).toMatchObject({
      'user-agent': `kubectl-gpu-mcp/${VERSION}`,
      authorization: 'Bearer secret',
      'impersonate-user': 'bob',
      'impersonate-group': 'sre, gpu',
      'impersonate-uid': 'u-1',
    });
  });

  test('groups without a user are refused', async () => {
    await expect(api.connect({ asGroup: ['sre'] })).rejects.toMatchObject({ exit: 2 });
  });

  test('--token takes the place of a credential plugin', async () => {
    const kubeconfig = await api.kubeconfig({
      users: [{ name: 'alice', user: { exec: { command: 'no-such-plugin' } } }],
    });
    const cluster = await api.connect({ kubeconfig, token: 'mine' });
    await cluster.getNode('node-a', signal);
    expect(api.requests[0]?.headers.authorization).toBe('Bearer mine');
  });

  test('a credential plugin gets the cluster and gives a token; a refused token is asked for again', async () => {
    const kubeconfig = await api.kubeconfig();
    const count = join(dirname(kubeconfig), 'count');
    const script = `
      const fs = require('node:fs');
      fs.appendFileSync(${JSON.stringify(count)}, 'x');
      const info = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
      const token = info.spec.cluster.server.slice(0, 4) + process.env.EXTRA + fs.readFileSync(${JSON.stringify(count)}).length;
      console.log(JSON.stringify({ kind: 'ExecCredential', status: { token } }));`;
    const plugin = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: process.execPath,
      args: ['-e', script],
      env: [{ name: 'EXTRA', value: '-token-' }],
      provideClusterInfo: true,
    };
    await api.kubeconfig({ users: [{ name: 'alice', user: { exec: plugin } }] });
    api.answer = ({ headers }) =>
      headers.authorization === 'Bearer http-token-1'
        ? status(401, 'Unauthorized', 'Unauthorized')
        : undefined;
    const cluster = await api.connect({ kubeconfig });
    expect((await cluster.getNode('node-a', signal)).name).toBe('node-a');
    expect(api.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer http-token-1',
      'Bearer http-token-2',
    ]);
  });

  test('a token that ends is asked for again; one that is refused and cannot be renewed is not', async () => {
    const kubeconfig = await api.kubeconfig();
    const token = join(dirname(kubeconfig), 'token');
    await api.kubeconfig({ users: [{ name: 'alice', user: { tokenFile: 'token' } }] });
    let nowMs = 0;
    const cluster = await connect({
      flags: { kubeconfig },
      environment: {},
      clock: { nowMs: () => nowMs },
    });
    const ask = async (text: string) => {
      await writeFile(token, text);
      await cluster.getNode('node-a', signal);
      return api.requests.at(-1)?.headers.authorization;
    };
    expect(await ask('one')).toBe('Bearer one');
    nowMs = 59_999;
    expect(await ask('two')).toBe('Bearer one');
    nowMs = 60_000;
    expect(await ask('three')).toBe('Bearer three');
    api.answer = ({ headers }) =>
      headers.authorization === 'Bearer three' ? status(401, 'Unauthorized', 'no') : undefined;
    expect(await ask('four')).toBe('Bearer four');
    api.answer = () => status(401, 'Unauthorized', 'no');
    const plain = await api.connect({ token: 'fixed', kubeconfig });
    const before = api.requests.length;
    await expect(plain.getNode('node-a', signal)).rejects.toThrow('does not accept');
    expect(api.requests.length).toBe(before + 1);
  });

  test('credentials that could not be had are asked for again', async () => {
    const kubeconfig = await api.kubeconfig({
      users: [{ name: 'alice', user: { tokenFile: 'later' } }],
    });
    const cluster = await api.connect({ kubeconfig });
    await expect(cluster.getNode('node-a', signal)).rejects.toThrow('cannot be read');
    await writeFile(join(dirname(kubeconfig), 'later'), 'now');
    expect((await cluster.getNode('node-a', signal)).name).toBe('node-a');
  });

  test('twenty questions at once log in once, and one that is given up ends no login', async () => {
    const count = join(dirname(await api.kubeconfig()), 'logins');
    const login = `require('node:fs').appendFileSync(${JSON.stringify(count)}, 'x');
      setTimeout(() => console.log(JSON.stringify({ status: { token: 't' } })), 50)`;
    const exec = { command: process.execPath, args: ['-e', login] };
    const kubeconfig = await api.kubeconfig({ users: [{ name: 'alice', user: { exec } }] });
    const cluster = await api.connect({ kubeconfig });
    const stop = new AbortController();
    const given = cluster.getNode('node-a', stop.signal);
    const asked = Array.from({ length: 20 }, () => cluster.getNode('node-a', signal));
    stop.abort(new Error('given up'));
    await expect(given).rejects.toThrow('given up');
    expect((await Promise.all(asked)).map(({ name }) => name)).toEqual(Array(20).fill('node-a'));
    expect(await readFile(count, 'utf8')).toBe('x');
  });

  test('a login that ends in a long session is had once anew, for forty questions and an attach', async () => {
    const count = join(dirname(await api.kubeconfig()), 'logins');
    const login = `const fs = require('node:fs');
      fs.appendFileSync(${JSON.stringify(count)}, 'x');
      const token = fs.readFileSync(${JSON.stringify(count)}, 'utf8');
      const expirationTimestamp = token === 'x' ? '2001-01-01T00:10:00Z' : '2001-01-01T01:00:00Z';
      console.log(JSON.stringify({ status: { token, expirationTimestamp } }))`;
    const exec = { command: process.execPath, args: ['-e', login] };
    const kubeconfig = await api.kubeconfig({ users: [{ name: 'alice', user: { exec } }] });
    let nowMs = Date.parse('2001-01-01T00:00:00Z');
    const cluster = await api.connect({ kubeconfig }, {}, { nowMs: () => nowMs });
    await cluster.getNode('node-a', signal);
    nowMs += 600_000;
    const before = api.requests.length;
    const container = { namespace: 'gpu-mcp', name: 'p', container: 'mcp' };
    api.onAttach = socket => socket.send(Buffer.of(1));
    const asked = Array.from({ length: 40 }, () => cluster.getNode('node-a', signal));
    const [stream] = await Promise.all([cluster.attach(container, signal), ...asked]);
    stream.destroy();
    const tokens = api.requests.slice(before).map(({ headers }) => headers.authorization);
    expect(tokens).toEqual(Array(41).fill('Bearer xx'));
    expect(await readFile(count, 'utf8')).toBe('xx');
    cluster.close();
  });

  test('an attach whose login is refused has another, once', async () => {
    const count = join(dirname(await api.kubeconfig()), 'logins');
    const login = `const fs = require('node:fs');
      fs.appendFileSync(${JSON.stringify(count)}, 'x');
      console.log(JSON.stringify({ status: { token: fs.readFileSync(${JSON.stringify(count)}, 'utf8') } }))`;
    const exec = { command: process.execPath, args: ['-e', login] };
    const kubeconfig = await api.kubeconfig({ users: [{ name: 'alice', user: { exec } }] });
    const cluster = await api.connect({ kubeconfig });
    await cluster.getNode('node-a', signal);
    const container = { namespace: 'gpu-mcp', name: 'p', container: 'mcp' };
    const attached = () => api.seen('GET', /attach$/).map(({ headers }) => headers.authorization);
    api.onAttach = socket => socket.send(Buffer.of(1));
    api.answer = ({ path, headers }) =>
      path.endsWith('/attach') && headers.authorization === 'Bearer x'
        ? status(401, 'Unauthorized', 'Unauthorized')
        : undefined;
    (await cluster.attach(container, signal)).destroy();
    expect(attached()).toEqual(['Bearer x', 'Bearer xx']);
    api.answer = () => status(401, 'Unauthorized', 'Unauthorized');
    await expect(cluster.attach(container, signal)).rejects.toThrow('does not accept');
    expect(attached().slice(2)).toEqual(['Bearer xx', 'Bearer xxx']);
    cluster.close();
  });

  test('a refusal that comes late does not undo the login that an earlier one brought', async () => {
    const count = join(dirname(await api.kubeconfig()), 'logins');
    const login = `const fs = require('node:fs');
      fs.appendFileSync(${JSON.stringify(count)}, 'x');
      console.log(JSON.stringify({ status: { token: fs.readFileSync(${JSON.stringify(count)}, 'utf8') } }))`;
    const exec = { command: process.execPath, args: ['-e', login] };
    const kubeconfig = await api.kubeconfig({ users: [{ name: 'alice', user: { exec } }] });
    api.put('nodes', { metadata: { name: 'node-late' } });
    let release = () => {};
    const after = new Promise<void>(resolve => {
      release = resolve;
    });
    api.answer = ({ path, headers }) => {
      if (headers.authorization !== 'Bearer x') return undefined;
      const refused = status(401, 'Unauthorized', 'Unauthorized');
      return path.endsWith('node-late') ? { ...refused, after } : refused;
    };
    const cluster = await api.connect({ kubeconfig });
    const late = cluster.getNode('node-late', signal);
    await until(() => api.requests.length > 0);
    expect((await cluster.getNode('node-a', signal)).name).toBe('node-a');
    release();
    expect((await late).name).toBe('node-late');
    expect(await readFile(count, 'utf8')).toBe('xx');
  });

  test('the time of a request begins when the login has come', async () => {
    const done = join(dirname(await api.kubeconfig()), 'done');
    const login = `setTimeout(() => {
      require('node:fs').writeFileSync(${JSON.stringify(done)}, '');
      console.log(JSON.stringify({ status: { token: 't' } }));
    }, 50)`;
    const exec = { command: process.execPath, args: ['-e', login] };
    const kubeconfig = await api.kubeconfig({ users: [{ name: 'alice', user: { exec } }] });
    const cluster = await api.connect({ kubeconfig, requestTimeout: '7ms' });
    const set = AbortSignal.timeout;
    const loggedIn: boolean[] = [];
    using _timeout = vi.spyOn(AbortSignal, 'timeout').mockImplementation(ms => {
      if (ms === 7) loggedIn.push(existsSync(done));
      return set(ms);
    });
    expect((await cluster.getNode('node-a', signal)).name).toBe('node-a');
    expect(loggedIn).toEqual([true]);
  });

  test('a server below a path is asked there', async () => {
    api.answer = ({ path }) =>
      path === '/clusters/c-1/api/v1/nodes/node-a'
        ? {
            code: 200,
            body: { kind: 'Node', metadata: { name: 'node-a', labels: { by: 'proxy' } } },
          }
        : undefined;
    for (const server of [`${api.url}/clusters/c-1`, `${api.url}/clusters/c-1/`]) {
      const cluster = await api.connect({ server });
      expect((await cluster.getNode('node-a', signal)).labels).toEqual({ by: 'proxy' });
    }
  });

  test('requests say what they send and take', async () => {
    const cluster = await api.connect();
    await cluster.createPod({ metadata: { name: 'p', namespace: 'gpu-mcp' } }, signal);
    expect(api.requests[0]?.headers).toMatchObject({
      accept: 'application/json',
      'content-type': 'application/json',
      'content-length': String(
        JSON.stringify({ metadata: { name: 'p', namespace: 'gpu-mcp' } }).length,
      ),
    });
    await cluster.getNode('node-a', signal);
    expect(api.requests[1]?.headers).not.toHaveProperty('content-type');
  });

  test('one connection serves request after request', async () => {
    const cluster = await api.connect();
    for (let count = 0; count < 3; count += 1) await cluster.getNode('node-a', signal);
    expect(api.connections).toBe(1);
    cluster.close();
    await cluster.getNode('node-a', signal);
    expect(api.connections).toBe(2);
  });

  test('a user who gives up gets the own reason', async () => {
    api.answer = () => 'silence';
    const cluster = await api.connect();
    const stop = new AbortController();
    const asked = cluster.getNode('node-a', stop.signal);
    stop.abort(new Error('Ctrl-C'));
    await expect(asked).rejects.toThrow('Ctrl-C');
  });

  test('a credential plugin that is not installed is named', async () => {
    const kubeconfig = await api.kubeconfig({
      users: [{ name: 'alice', user: { exec: { command: 'no-such-auth-plugin' } } }],
    });
    const cluster = await api.connect({ kubeconfig });
    await expect(cluster.getNode('node-a', signal)).rejects.toThrow(
      'the credential plugin "no-such-auth-plugin" was not found',
    );
  });

  test('an auth-provider goes through client-node', async () => {
    const part = (json: object) => Buffer.from(JSON.stringify(json)).toString('base64');
    const token = `${part({ a: 1 })}.${part({ exp: 4_000_000_000, ab: 1 })}.${part({ a: 1 })}`;
    const provider = { name: 'oidc', config: { 'id-token': token } };
    const kubeconfig = await api.kubeconfig({
      users: [{ name: 'alice', user: { 'auth-provider': provider } }],
    });
    const cluster = await api.connect({ kubeconfig });
    await cluster.getNode('node-a', signal);
    expect(api.requests[0]?.headers.authorization).toBe(`Bearer ${token}`);
  });

  test('an auth-provider that cannot be used is named', async () => {
    const provider = {
      name: 'gcp',
      config: { 'access-token': 'old', expiry: '2001-01-01T00:00:00Z' },
    };
    const kubeconfig = await api.kubeconfig({
      users: [{ name: 'alice', user: { 'auth-provider': provider } }],
    });
    const cluster = await api.connect({ kubeconfig });
    await expect(cluster.getNode('node-a', signal)).rejects.toMatchObject({
      message: "the kubeconfig's gcp settings could not be used",
      hint: 'use --transport kubectl, or a kubeconfig with a credential plugin',
    });
  });

  test('the clock is the API server’s, and never that of a proxy with a page of its own', async () => {
    api.put('nodes', { metadata: { name: 'node-a' } });
    api.nowMs = Date.parse('2031-01-01T12:00:00Z');
    const cluster = await api.connect();
    api.answer = () => ({ code: 200, body: '<title>Sign in</title>' });
    await expect(cluster.getNode('node-a', signal)).rejects.toThrow('Sign in');
    expect(cluster.nowMs()).toBeLessThan(api.nowMs);
    api.answer = () => undefined;
    await cluster.getNode('node-a', signal);
    expect(cluster.nowMs()).toBeGreaterThanOrEqual(api.nowMs);
  });

  test('through a proxy connections are kept as without one', async () => {
    let tunnels = 0;
    const proxy = createServer();
    proxy.on('connect', ({ url }, socket) => {
      tunnels += 1;
      const { hostname, port } = new URL(`http://${url}`);
      const onward = connectTo(Number(port), hostname, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        onward.pipe(socket).pipe(onward);
      });
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const address = proxy.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const cluster = { server: api.url, 'proxy-url': `http://127.0.0.1:${port}` };
    const kubeconfig = await api.kubeconfig({ clusters: [{ name: 'fake', cluster }] });
    api.put('nodes', { metadata: { name: 'node-a' } });
    const connected = await api.connect({ kubeconfig });
    for (let time = 0; time < 3; time += 1) await connected.getNode('node-a', signal);
    expect({ tunnels, requests: api.requests.length }).toEqual({ tunnels: 1, requests: 3 });
    connected.close();
    proxy.close();
  });

  test('a proxy of the kubeconfig is used', async () => {
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.end(JSON.stringify({ metadata: { name: 'through' } }));
    });
    proxy.on('connect', ({ url }, socket) => {
      asked.push(`CONNECT ${url}`);
      socket.end('HTTP/1.1 502 No\r\n\r\n');
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const address = proxy.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const through = async (url: string) => {
      const cluster = { server: api.url, 'proxy-url': url };
      const kubeconfig = await api.kubeconfig({ clusters: [{ name: 'fake', cluster }] });
      return (await api.connect({ kubeconfig })).getNode('node-a', signal);
    };
    await through(`http://127.0.0.1:${port}`).catch(() => undefined);
    expect(asked.join()).toContain(new URL(api.url).host);
    expect(api.requests).toEqual([]);
    proxy.close();
  });
});

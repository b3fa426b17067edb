import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConnectionFlags } from '../../src/cluster/connection-flags.ts';
import { getCredentials } from '../../src/cluster/credentials.ts';
import { connectionSettings } from '../../src/cluster/settings.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'settings-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A kubeconfig of one context; `more` is laid over its document. */
async function kubeconfig(more: object | string = {}): Promise<string> {
  const file = join(folder, 'config');
  const document = {
    'current-context': 'prod',
    contexts: [
      { name: 'prod', context: { cluster: 'eu', user: 'alice', namespace: 'gpu' } },
      { name: 'bare', context: {} },
    ],
    clusters: [
      { name: 'eu', cluster: { server: 'https://eu.example:6443' } },
      { name: 'us', cluster: { server: 'us.example' } },
    ],
    users: [
      { name: 'alice', user: { token: 'a' } },
      { name: 'bob', user: { username: 'bob', password: 'secret' } },
    ],
    ...Object(more),
  };
  await writeFile(file, typeof more === 'string' ? more : JSON.stringify(document));
  return file;
}

const settings = async (flags: ConnectionFlags = {}, more: object | string = {}) =>
  connectionSettings({ kubeconfig: await kubeconfig(more), ...flags }, {});

describe('what a kubeconfig and flags settle', () => {
  test('the context’s own cluster, user and namespace', async () => {
    expect(await settings()).toEqual({
      server: 'https://eu.example:6443',
      url: new URL('https://eu.example:6443/'),
      context: 'prod',
      namespace: 'gpu',
      user: 'alice',
      ca: undefined,
      insecure: false,
      tlsServerName: undefined,
      proxyUrl: undefined,
      clusterEntry: { server: 'https://eu.example:6443' },
      userEntry: { token: 'a' },
      files: [expect.stringContaining(folder)],
      impersonation: {},
    });
  });

  test('flags over the context', async () => {
    const flags = { cluster: 'us', user: 'bob', namespace: 'other', tlsServerName: 'api.example' };
    expect(await settings(flags)).toMatchObject({
      server: 'https://us.example',
      namespace: 'other',
      user: 'bob',
      tlsServerName: 'api.example',
      userEntry: { username: 'bob' },
    });
  });

  test('a server without a kubeconfig', async () => {
    const flags = { server: 'http://127.0.0.1:8001', kubeconfig: '' };
    expect(await connectionSettings(flags, { KUBECONFIG: join(folder, 'nothing') })).toMatchObject({
      server: 'http://127.0.0.1:8001',
      context: null,
      user: null,
    });
  });

  test.each<[string, ConnectionFlags, object | string, string, string | undefined]>([
    [
      'a context that is not there',
      { context: 'dev' },
      {},
      'the kubeconfig has no context "dev"',
      'known: prod, bare',
    ],
    [
      'a cluster that is not there',
      { cluster: 'x' },
      {},
      'the kubeconfig has no cluster "x"',
      'known: eu, us',
    ],
    ['a user that is not there', { user: 'x' }, {}, 'no user "x"', 'known: alice, bob'],
    [
      'a user where none is',
      { user: 'x' },
      { users: [] },
      'no user "x"',
      'kubectl config get-users',
    ],
    [
      'a context without a cluster',
      { context: 'bare' },
      {},
      'context "bare" of the kubeconfig names no known cluster',
      'kubectl config get-contexts; then --context NAME',
    ],
    [
      'no context at all',
      {},
      { 'current-context': '' },
      'the kubeconfig has no current context',
      'kubectl config get-contexts; then --context NAME',
    ],
    ['a server that is none', { server: 'http://a b' }, {}, 'not the address of an API', undefined],
    [
      'two flags that contradict',
      { insecureSkipTlsVerify: true, certificateAuthority: 'ca.crt' },
      {},
      '--insecure-skip-tls-verify and --certificate-authority exclude each other',
      undefined,
    ],
    [
      'a uid without a user',
      { asUid: 'u' },
      {},
      '--as-group, --as-uid and --as-user-extra need --as',
      undefined,
    ],
    [
      'an authority that is not there',
      { certificateAuthority: '/nowhere/ca.crt' },
      {},
      'the certificate authority /nowhere/ca.crt cannot be read (ENOENT)',
      undefined,
    ],
    ['a list', {}, '- a\n- b\n', 'is not a kubeconfig', undefined],
    ['an empty file', {}, ' \n', 'the kubeconfig has no current context', undefined],
    ['nothing but null', {}, 'null', 'the kubeconfig has no current context', undefined],
  ])('%s is refused', async (_name, flags, more, message, hint) => {
    const error = await settings(flags, more).catch(one => one);
    expect(error.message).toContain(message);
    if (hint) expect(error.hint).toBe(hint);
  });

  test('a password of the flags takes the place of every other login', async () => {
    const exec = { command: 'login' };
    const users = [{ name: 'alice', user: { exec, tokenFile: 'f', username: 'a', password: 'b' } }];
    const flags = { username: 'bob', password: 'secret' };
    expect((await settings(flags, { users })).userEntry).toEqual({ token: '', ...flags });
    expect((await settings({ password: 'c' }, { users })).userEntry).toMatchObject({
      ...{ exec, username: 'a', password: 'c' },
    });
  });

  test('extras of whom the user acts as, each key with all of its values', async () => {
    const flags = { as: 'bob', asUserExtra: ['team=a', 'acme.com/x=1=2', 'team=b'] };
    expect((await settings(flags)).impersonation).toEqual({
      'Impersonate-User': 'bob',
      'Impersonate-Extra-team': ['a', 'b'],
      'Impersonate-Extra-acme.com%2Fx': ['1=2'],
    });
    await expect(settings({ as: 'bob', asUserExtra: ['team'] })).rejects.toThrow(
      '--as-user-extra "team" is not KEY=VALUE',
    );
    await expect(settings({ asUserExtra: ['team=a'] })).rejects.toThrow('need --as');
  });

  test('a proxy, and an authority that is asked though the kubeconfig would not', async () => {
    const cluster = {
      server: 'https://eu.example',
      ...{ 'insecure-skip-tls-verify': true, 'proxy-url': 'http://other:1' },
    };
    const clusters = [{ name: 'eu', cluster }];
    await writeFile(join(folder, 'own.crt'), 'OWN');
    const flags = { proxyUrl: 'http://proxy:3128', certificateAuthority: join(folder, 'own.crt') };
    const found = await settings(flags, { clusters });
    expect({ ...found, ca: String(found.ca) }).toMatchObject({
      ...{ proxyUrl: 'http://proxy:3128', insecure: false, ca: 'OWN' },
    });
    expect((await settings({}, { clusters })).insecure).toBe(true);
  });

  test('a folder is no kubeconfig', async () => {
    await expect(connectionSettings({ kubeconfig: folder }, {})).rejects.toThrow('(EISDIR)');
  });

  test('the authority of the cluster, which nobody needs who does not look', async () => {
    const ca = Buffer.from('PEM').toString('base64');
    const clusters = [
      { name: 'eu', cluster: { server: 'https://eu.example', 'certificate-authority-data': ca } },
    ];
    expect((await settings({}, { clusters }))?.ca?.toString()).toBe('PEM');
    expect((await settings({ insecureSkipTlsVerify: true }, { clusters })).ca).toBeUndefined();
    await writeFile(join(folder, 'own.crt'), 'OWN');
    const own = await settings({ certificateAuthority: join(folder, 'own.crt') }, { clusters });
    expect(own.ca?.toString()).toBe('OWN');
  });

  test('a proxy of the kubeconfig', async () => {
    const cluster = { server: 'https://eu.example', 'proxy-url': 'socks5://proxy:1080' };
    const { proxyUrl } = await settings({}, { clusters: [{ name: 'eu', cluster }] });
    expect(proxyUrl).toBe('socks5://proxy:1080');
  });

  test('whom the user acts as; flags over the kubeconfig', async () => {
    const user = {
      ...{ as: 'robot', 'as-uid': 'u-1', 'as-groups': ['sre', 5, 'gpu'] },
      'as-user-extra': { 'acme.com/team': ['a', 7], b: [] },
    };
    const users = [{ name: 'alice', user }];
    expect((await settings({}, { users })).impersonation).toEqual({
      'Impersonate-User': 'robot',
      'Impersonate-Group': ['sre', 'gpu'],
      'Impersonate-Uid': 'u-1',
      'Impersonate-Extra-acme.com%2Fteam': ['a'],
      'Impersonate-Extra-b': [],
    });
    const flags = { as: 'bob', asGroup: ['x'], asUid: 'u-2' };
    expect((await settings(flags, { users })).impersonation).toMatchObject({
      'Impersonate-User': 'bob',
      'Impersonate-Group': ['x'],
      'Impersonate-Uid': 'u-2',
    });
  });

  test('a token of ours ends every other login; certificates of ours replace theirs', async () => {
    const user = {
      ...{ exec: { command: 'x' }, 'auth-provider': { name: 'oidc' }, tokenFile: 't', as: 'robot' },
      ...{ 'client-certificate-data': 'old', 'client-key-data': 'old' },
    };
    const users = [{ name: 'alice', user }];
    expect((await settings({ token: 'mine' }, { users })).userEntry).toEqual({
      ...{ as: 'robot', token: 'mine' },
      ...{ 'client-certificate-data': 'old', 'client-key-data': 'old' },
    });
    const flags = { clientCertificate: 'mine.crt', clientKey: 'mine.key' };
    expect((await settings(flags, { users })).userEntry).toMatchObject({
      ...{ 'client-certificate': 'mine.crt', 'client-certificate-data': '' },
      ...{ 'client-key': 'mine.key', 'client-key-data': '' },
    });
  });

  test('a plugin that lies beside the kubeconfig is found there; one on PATH is left to PATH', async () => {
    const command = async (name: string) => {
      const users = [{ name: 'alice', user: { exec: { command: name, args: ['x'] } } }];
      return (await settings({}, { users })).userEntry['exec'];
    };
    expect(await command('./login')).toEqual({ command: join(folder, 'login'), args: ['x'] });
    expect(await command('login')).toEqual({ command: 'login', args: ['x'] });
    expect(await command('/opt/login')).toEqual({ command: '/opt/login', args: ['x'] });
  });
});

describe('inside a pod without a kubeconfig', () => {
  const inside = (host: string, port?: string) =>
    connectionSettings(
      { insecureSkipTlsVerify: true },
      {
        ...{ KUBECONFIG: join(folder, 'nothing'), KUBERNETES_SERVICE_HOST: host },
        ...(port ? { KUBERNETES_SERVICE_PORT: port } : {}),
      },
    );

  test('the service account asks', async () => {
    const account = '/var/run/secrets/kubernetes.io/serviceaccount';
    expect(await inside('10.0.0.1', '6443')).toMatchObject({
      server: 'https://10.0.0.1:6443',
      context: null,
      namespace: 'default',
      user: 'service account',
      clusterEntry: { 'certificate-authority': `${account}/ca.crt` },
      userEntry: { tokenFile: `${account}/token` },
    });
  });

  test('the API server may have an IPv6 address, and its usual port', async () => {
    expect((await inside('fd00::1')).url.href).toBe('https://[fd00::1]/');
  });
});

describe('credentials', () => {
  const clock = { nowMs: () => 1_000 };
  const signal = new AbortController().signal;
  const credentials = async (user: object) =>
    getCredentials(await settings({}, { users: [{ name: 'alice', user }] }), clock, signal);

  test('a password', async () => {
    expect(await credentials({ username: 'bob', password: 'p:w' })).toEqual({
      authorization: `Basic ${Buffer.from('bob:p:w').toString('base64')}`,
      ...{ certificate: undefined, key: undefined, expiresMs: undefined },
    });
  });

  test('nothing', async () => {
    expect((await credentials({})).authorization).toBeUndefined();
  });

  test('a token file is read again after a minute; without it its name is told', async () => {
    await writeFile(join(folder, 'token'), ' t \n');
    expect(await credentials({ tokenFile: 'token' })).toMatchObject({
      authorization: 'Bearer t',
      expiresMs: 61_000,
    });
    await expect(credentials({ tokenFile: 'gone' })).rejects.toThrow(
      `the token file ${join(folder, 'gone')} cannot be read`,
    );
  });

  test('a certificate of the kubeconfig beside a plugin’s token, and a plugin’s own before it', async () => {
    const plugin = (status: object) => ({
      command: process.execPath,
      args: ['-p', JSON.stringify(JSON.stringify({ status }))],
    });
    const data = (text: string) => Buffer.from(text).toString('base64');
    const user = { 'client-certificate-data': data('CERT'), 'client-key-data': data('KEY') };
    const text = async (status: object) => {
      const { certificate, key } = await credentials({ ...user, exec: plugin(status) });
      return [String(certificate), String(key)];
    };
    expect(await text({ token: 't' })).toEqual(['CERT', 'KEY']);
    const own = { clientCertificateData: 'OWN CERT', clientKeyData: 'OWN KEY' };
    expect(await text(own)).toEqual(['OWN CERT', 'OWN KEY']);
  });
});

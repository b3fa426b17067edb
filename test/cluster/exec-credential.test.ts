import { describe, expect, test } from 'vitest';
import { runCredentialPlugin } from '../../src/cluster/credentials.ts';
import { CREDENTIAL_PLUGIN_MS_MAX } from '../../src/contract/limits.ts';
import { pass } from '../fakes/deadlines.ts';

const signal = new AbortController().signal;

/** A plugin that runs this code in Node. */
const plugin = (code: string, more: object = {}) => ({
  ...{ command: process.execPath, args: ['-e', code], ...more },
});
const prints = (status: object) =>
  plugin(`console.log(${JSON.stringify(JSON.stringify({ status }))})`);
const run = (exec: Record<string, unknown>, cluster: Record<string, unknown> = {}) =>
  runCredentialPlugin(exec, { clusterEntry: cluster }, signal);

describe('what a plugin says', () => {
  test('a token with its end', async () => {
    const status = { token: 't', expirationTimestamp: '2026-08-20T12:00:00Z' };
    expect(await run(prints(status))).toEqual({
      ...{ token: 't', certificate: undefined, key: undefined },
      expiresMs: Date.UTC(2026, 7, 20, 12),
    });
  });

  test('a certificate and its key', async () => {
    const status = { clientCertificateData: 'CERT', clientKeyData: 'KEY' };
    expect(await run(prints(status))).toEqual({
      ...{ token: undefined, certificate: 'CERT', key: 'KEY', expiresMs: undefined },
    });
  });
});

test.skipIf(process.platform !== 'linux')(
  'where no person waits, a plugin has no terminal to ask on',
  async () => {
    // proc(5): the sixth field of stat is the session, which a leader has named after itself.
    const code = `const session = require('fs').readFileSync('/proc/self/stat', 'utf8').split(' ')[5];
      console.log(JSON.stringify({ status: { token: String(session === String(process.pid)) } }))`;
    const leads = async (isUnattended: boolean) =>
      (await runCredentialPlugin(plugin(code), { clusterEntry: {}, isUnattended }, signal)).token;
    expect([await leads(true), await leads(false)]).toEqual(['true', 'false']);
  },
);

describe('what a plugin is told', () => {
  /** The plugin's KUBERNETES_EXEC_INFO comes back as its token. */
  const told = async (cluster: Record<string, unknown>, more: object = {}) => {
    const code =
      'console.log(JSON.stringify({ status: { token: process.env.KUBERNETES_EXEC_INFO } }))';
    const { token } = await run(plugin(code, more), cluster);
    return JSON.parse(token ?? '');
  };
  const cluster = {
    ...{ server: 'https://a:6443', 'tls-server-name': 'a', 'insecure-skip-tls-verify': true },
    ...{ 'certificate-authority-data': 'Q0E=', 'proxy-url': 'http://proxy:3128' },
    extensions: [
      { name: 'other', extension: { no: 1 } },
      { name: 'client.authentication.k8s.io/exec', extension: { audience: 'x' } },
    ],
  };

  test('nothing of the cluster, unless it asks for it', async () => {
    expect(await told(cluster)).toEqual({
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      spec: { interactive: false },
    });
  });

  test('the whole cluster, in the version that it speaks', async () => {
    const apiVersion = 'client.authentication.k8s.io/v1beta1';
    const { extensions: _, ...plain } = cluster;
    expect(await told(cluster, { provideClusterInfo: true, apiVersion })).toEqual({
      apiVersion,
      kind: 'ExecCredential',
      spec: { interactive: false, cluster: { ...plain, config: { audience: 'x' } } },
    });
  });

  test('of a plain cluster its server', async () => {
    const { spec } = await told({ server: 'https://b' }, { provideClusterInfo: true });
    expect(spec.cluster).toEqual({ server: 'https://b' });
  });

  test('and no more: its input is closed', async () => {
    const code = `process.stdin.on('data', () => {}).on('end', () =>
      console.log(JSON.stringify({ status: { token: 'closed' } })))`;
    expect((await run(plugin(code))).token).toBe('closed');
  });
});

describe('a plugin that fails', () => {
  const hint = 'kubectl get nodes shows whether kubectl can log in';

  test('says so with its last words', async () => {
    const failing = plugin("process.stderr.write('log in\\nfirst'); process.exitCode = 3");
    await expect(run(failing)).rejects.toMatchObject({
      message: `the credential plugin "${process.execPath}" failed with exit code 3: log in first`,
      hint,
    });
  });

  test('without a word', async () => {
    await expect(run(plugin('process.exitCode = 3'))).rejects.toThrow(/failed with exit code 3$/);
  });

  test('though it printed something', async () => {
    const both = plugin('console.log(JSON.stringify({ status: {} })); process.exitCode = 1');
    await expect(run(both)).rejects.toThrow('failed with exit code 1');
  });

  test('killed by a signal counts as 1', async () => {
    await expect(run(plugin("process.kill(process.pid, 'SIGTERM')"))).rejects.toThrow(
      'failed with exit code 1',
    );
  });

  test.each(['', 'token', '[]', '"t"'])('prints no ExecCredential: %j', async text => {
    await expect(
      run(plugin(`process.stdout.write(${JSON.stringify(text)})`)),
    ).rejects.toMatchObject({
      message: `the credential plugin "${process.execPath}" printed no ExecCredential`,
      hint,
    });
  });

  test('prints without an end: it is ended', async () => {
    const endless = "process.stdout.write('x'.repeat(2 ** 21)); setInterval(() => {}, 1000)";
    await expect(run(plugin(endless))).rejects.toThrow('failed with exit code 1');
  });

  test('needs a terminal, which we have not', async () => {
    await expect(run(plugin('', { interactiveMode: 'Always' }))).rejects.toMatchObject({
      message: `the credential plugin "${process.execPath}" needs a terminal`,
      hint: 'log in once with kubectl, or use --transport kubectl',
    });
  });

  test('is not there: how it is installed, or where it was looked for', async () => {
    await expect(
      run({ command: 'no-such-plugin', installHint: 'brew\ninstall it' }),
    ).rejects.toMatchObject({
      message: 'the credential plugin "no-such-plugin" was not found',
      hint: 'brew install it',
    });
    await expect(run({ command: 'no-such-plugin' })).rejects.toMatchObject({
      hint: `it is not on PATH (${process.env['PATH']}); desktop clients start with a short one`,
    });
  });

  test('may not be run', async () => {
    const file = new URL('./exec-credential.test.ts', import.meta.url).pathname;
    await expect(run({ command: file })).rejects.toThrow(
      `the credential plugin "${file}" could not run`,
    );
  });

  test('waits for ever: it is given two minutes, or until we are asked to stop', async () => {
    const waiting = plugin('setInterval(() => {}, 1000)');
    const late = run(waiting).catch(error => error);
    await pass(CREDENTIAL_PLUGIN_MS_MAX);
    expect((await late).message).toContain('has not ended after 120 s');
    const stop = new AbortController();
    const stopped = runCredentialPlugin(waiting, { clusterEntry: {} }, stop.signal);
    stop.abort(new Error('Ctrl-C'));
    await expect(stopped).rejects.toThrow('Ctrl-C');
  });
});

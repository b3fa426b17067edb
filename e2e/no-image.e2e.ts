import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { ownPlatform } from '../images/agent/build-image.ts';
import { openedDeb } from '../images/agent/deb.ts';
import { layer, ociArchive } from '../images/agent/oci.ts';
import { tool } from '../images/agent/packages.ts';
import { cluster, kubectl, leftAfterTenSeconds, start, withImage } from './plugin.ts';

const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-no-image-'));
const BUSYBOX = 'docker.io/library/busybox:1';
const APPLETS = ['sh', 'head', 'wc', 'tar', 'gzip', 'sleep', 'sha256sum', 'mkdir', 'rm'];
const KEPT = 'localhost/kept:1';
const POLICED = ['-n', 'no-image-pinned'];

/** Debian's busybox, as an image of the nodes. */
async function importBusybox(): Promise<void> {
  const uris = await tool('apt-get', ['download', '--print-uris', 'busybox-static']);
  const [, uri = ''] = /^'([^']+)'/.exec(uris.toString('utf8')) ?? [];
  const file = join(folder, 'busybox.deb');
  await tool('/usr/lib/apt/apt-helper', ['download-file', uri, file]);
  const content = (await openedDeb(readFileSync(file))).files.get('bin/busybox')?.content;
  if (!content) throw new Error('busybox-static without its program');
  const directories = ['usr', 'usr/bin', 'tmp'].map(path => ({
    path,
    mode: path === 'tmp' ? 0o1777 : 0o755,
  }));
  const programs = APPLETS.map(applet => ({ path: `usr/bin/${applet}`, mode: 0o755, content }));
  const layers = [layer([...directories, ...programs], 'busybox')];
  const image = { platform: ownPlatform(), version: '1', layers, fromSnapshot: false };
  const archive = join(folder, 'busybox.tar');
  writeFileSync(archive, ociArchive([image], BUSYBOX).archive);
  await cluster().importImage(archive);
}

const node = (name: string) => {
  const found = cluster().nodes.find(one => one.name === name);
  if (!found) throw new Error(`there is no ${name}`);
  return found;
};

const reports = async (name: string, image: string) => {
  const { stdout } = await kubectl(['get', 'node', name, '-o', 'jsonpath={.status.images}']);
  return stdout.includes(image);
};

beforeAll(async () => {
  await importBusybox();
  // node-b has nothing of ours.
  await node('node-b').ctr(['images', 'tag', inject('image'), KEPT]);
  await node('node-b').ctr(['images', 'rm', inject('image')]);
  // A kubelet reports new images within half a minute.
  await vi.waitFor(async () => expect(await reports('node-a', BUSYBOX)).toBe(true), 90_000);
  await vi.waitFor(async () => expect(await reports('node-b', BUSYBOX)).toBe(true), 90_000);
});

afterAll(async () => {
  await node('node-b').ctr(['images', 'tag', KEPT, inject('image')]);
  await node('node-b').ctr(['images', 'rm', KEPT]);
  for (const name of ['node-a', 'node-b']) {
    await node(name).ctr(['images', 'rm', BUSYBOX]);
  }
  const kinds = 'validatingadmissionpolicy,validatingadmissionpolicybinding';
  await kubectl(['delete', kinds, '-l', 'app.kubernetes.io/managed-by=kubectl-gpu-mcp']);
  for (const name of [POLICED[1] ?? '', 'no-image-restricted']) {
    await kubectl(['delete', 'namespace', name, '--wait=false', '--ignore-not-found']);
  }
  rmSync(folder, { recursive: true });
});

const archive = () => `--agent-archive=${inject('archive')}`;
const withoutImage = (...words: readonly string[]) => kubectl(['gpu-mcp', ...words, archive()]);

const verdictOf = (stdout: string) => {
  const { verdict, findings } = JSON.parse(stdout);
  return { verdict, ids: findings.map(({ id }: { id: string }) => id) };
};

describe('--no-image', () => {
  test('finds on a node what a pod with the image finds, and says what was sent and how long it took', async () => {
    const beganMs = Date.now();
    const plain = await kubectl(withImage('triage', 'node-a', '-o', 'json'));
    const betweenMs = Date.now();
    const record = join(folder, 'record.jsonl');
    const ran = await withoutImage(
      'triage',
      'node-a',
      '--no-image',
      '-o',
      'json',
      '--record',
      record,
    );
    process.stderr.write(
      `with the image ${betweenMs - beganMs} ms, without ${Date.now() - betweenMs} ms: ${/the agent is on .*/.exec(ran.stderr)?.[0]}\n`,
    );
    expect(ran.code, ran.stderr).toBe(0);
    expect(verdictOf(ran.stdout)).toEqual(verdictOf(plain.stdout));
    expect(ran.stderr).toContain(`no image is pulled: ${BUSYBOX} is on the node`);
    expect(ran.stderr).toMatch(/the agent is on node-a: \d\d MB in \d+\.\d s/);
    const facts = readFileSync(record, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(facts.find(({ event }) => event === 'pod')).toMatchObject({
      image: { asked: BUSYBOX },
      agent: { sent: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) },
    });
    expect(await leftAfterTenSeconds()).toEqual([]);
  });

  test('works where nothing could be pulled, by kubectl’s own attach too, and under restricted', async () => {
    const pulled = await kubectl(withImage('triage', 'node-b'));
    expect(pulled.code).toBe(4);
    for (const flags of [[], ['--transport', 'kubectl'], ['--profile', 'mounted']]) {
      const ran = await withoutImage('triage', 'node-b', '--no-image', ...flags, '-o', 'json');
      expect(ran.code, ran.stderr).toBe(0);
      expect(verdictOf(ran.stdout).ids).not.toEqual([]);
    }
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    const metadata = { name: 'no-image-restricted', labels };
    await kubectl(['apply', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata }),
    });
    const words = ['--profile', 'restricted', '--no-syslog', '-n', 'no-image-restricted'];
    const ran = await withoutImage('triage', 'node-b', '--no-image', ...words);
    expect(ran.code, ran.stderr).toBe(0);
    expect(await leftAfterTenSeconds()).toEqual([]);
  });

  test.each([
    ['an image without a shell', 'localhost/pause:1', /has no shell that would take the agent/],
    ['an image that is not there', 'localhost/none:1', /localhost\/none:1 is not on node-b/],
  ])('%s is told in a sentence', async (_, image, words) => {
    const ran = await withoutImage('triage', 'node-b', `--no-image=${image}`);
    expect(ran.code).toBe(4);
    expect(ran.stderr).toMatch(words);
    expect(await leftAfterTenSeconds()).toEqual([]);
  });

  test.each([
    ['the pod is created', 'privileged'],
    ['the agent is sent', 'privileged'],
    // Its shell is PID 1 of its namespace.
    ['the pod is created', 'restricted'],
    ['the agent is sent', 'restricted'],
  ])('nothing stays of a plugin that is killed when %s, %s', async (when, profile) => {
    const own = profile === 'restricted' ? ['--profile', profile] : [];
    const words = ['gpu-mcp', 'triage', 'node-b', '--no-image', ...own, '-v', archive()];
    const child = start(words);
    const sign =
      when === 'the pod is created' ? /is being created/ : /is running|sending the agent/;
    await new Promise<void>(resolve => {
      let said = '';
      child.stderr?.on('data', chunk => {
        said += String(chunk);
        if (sign.test(said)) resolve();
      });
      child.once('exit', () => resolve());
    });
    child.kill('SIGKILL');
    await new Promise(resolve => setTimeout(resolve, 5_000));
    expect(await leftAfterTenSeconds()).toEqual([]);
  });

  test('a policy for it lets it in, and one of the image does not', async () => {
    const apply = async (...words: readonly string[]) => {
      const printed = await kubectl(['gpu-mcp', 'manifest', ...words, ...POLICED]);
      expect(printed.code, printed.stderr).toBe(0);
      expect((await kubectl(['apply', '-f', '-'], { input: printed.stdout })).code).toBe(0);
    };
    await apply('namespace');
    await apply('policy', '--image', `example.com/agent@sha256:${'0'.repeat(64)}`);
    const attempt = () => withoutImage('triage', 'node-b', '--no-image', ...POLICED);
    await vi.waitFor(
      async () => expect((await attempt()).stderr).toMatch(/container\.(\*|image)/),
      60_000,
    );
    await apply('policy', `--no-image=${BUSYBOX}`, archive());
    await vi.waitFor(async () => expect((await attempt()).code).toBe(0), 90_000);
    expect(await leftAfterTenSeconds()).toEqual([]);
  });
});

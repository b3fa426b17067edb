import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const project = fileURLToPath(new URL('../..', import.meta.url));
const NOT_CLONED = new Set(['.git', 'coverage', 'dist', 'node_modules']);

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-package-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function npm(cwd: string, ...words: string[]) {
  return spawnSync('npm', words, {
    cwd,
    encoding: 'utf8',
    env: {
      ...process.env,
      HOME: folder,
      npm_config_cache: join(folder, 'cache'),
      npm_config_offline: 'true',
      npm_config_update_notifier: 'false',
    },
  });
}

describe('the npm package', () => {
  test('packed from a clone that was never built, it runs by its own name in an empty folder', () => {
    const clone = join(folder, 'clone');
    cpSync(project, clone, {
      recursive: true,
      filter: from => !NOT_CLONED.has(from.slice(project.length)),
    });
    symlinkSync(join(project, 'node_modules'), join(clone, 'node_modules'));
    const packed = npm(clone, 'pack', '--pack-destination', folder);
    expect(packed.status, packed.stderr).toBe(0);
    const archive = readdirSync(folder).find(name => name.endsWith('.tgz')) ?? '';

    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const ran = npm(
      empty,
      ...['exec', '--yes', '--package', join(folder, archive), '--'],
      ...['kubectl-gpu-mcp', 'triage', '--simulate', 'dgx-h100'],
    );
    expect([ran.status, ran.stdout], ran.stderr).toEqual([0, expect.stringContaining('HEALTHY')]);
    // `npx FILE` runs the program that is named like the package.
    const named = npm(empty, 'exec', '--yes', `file:${join(folder, archive)}`, '--', 'version');
    expect([named.status, named.stdout], named.stderr).toEqual([0, expect.stringMatching(/^\d/)]);
  });

  test('a proxy of the kubeconfig is asked by what was packed: client-node is whole enough for it', async () => {
    const seen: string[] = [];
    const proxy = createServer().on('connect', (request, socket) => {
      seen.push(request.url ?? '');
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const address = proxy.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const kubeconfig = join(folder, 'kubeconfig');
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        'current-context': 'far',
        contexts: [{ name: 'far', context: { cluster: 'far', user: 'me' } }],
        clusters: [
          {
            name: 'far',
            cluster: { server: 'https://192.0.2.1', 'proxy-url': `http://127.0.0.1:${port}` },
          },
        ],
        users: [{ name: 'me', user: { token: 'x' } }],
      }),
    );
    const plugin = spawn(process.execPath, [
      join(folder, 'clone/kubectl-plugin/kubectl-gpu_mcp.mjs'),
      ...['nodes', '--kubeconfig', kubeconfig],
    ]);
    const [code] = await once(plugin, 'close');
    proxy.close();
    expect([code, new Set(seen)]).toEqual([3, new Set(['192.0.2.1:443'])]);
  });
});

import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { dump, load } from 'js-yaml';
import { parse as parseJson } from 'jsonc-parser';
import { parse as parseToml, stringify as tomlOf } from 'smol-toml';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AI_CLIENTS } from '../../src/cli/ai-clients.ts';
import { edited, entryIn, NotEditable } from '../../src/cli/edited-settings.ts';
import { run } from './run.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gpu-mcp-config-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const PARSE = { json: (text: string) => parseJson(text), toml: parseToml, yaml: load };
const CLIENTS = Object.entries(AI_CLIENTS).map(([word, client]) => ({ word, client }));

const config = (words: string, more: Record<string, string> = {}) =>
  run(['config', ...words.split(' ')], { environment: { HOME: home, ...more }, folder: home });

function fileOf(word: string): string | undefined {
  const machine = { platform: 'linux', home, folder: home, environment: {} };
  return AI_CLIENTS[word]?.files?.(machine, 'gpu')[0];
}

test('each client has its file, on each system', () => {
  const shown = CLIENTS.flatMap(({ word, client }) =>
    ['linux', 'darwin', 'win32'].map(platform => {
      const home = platform === 'win32' ? 'C:\\Users\\me' : '~';
      const machine = { platform, home, folder: home, environment: {} };
      return `${word} ${platform} ${client.files?.(machine, 'gpu').join(' or ') ?? '-'}`;
    }),
  );
  expect(`\n${shown.join('\n')}\n`).toMatchInlineSnapshot(`
    "
    claude-code linux ~/.claude.json
    claude-code darwin ~/.claude.json
    claude-code win32 C:\\Users\\me\\.claude.json
    claude-desktop linux ~/.config/Claude/claude_desktop_config.json
    claude-desktop darwin ~/Library/Application Support/Claude/claude_desktop_config.json
    claude-desktop win32 C:\\Users\\me\\AppData\\Roaming\\Claude\\claude_desktop_config.json
    cursor linux ~/.cursor/mcp.json
    cursor darwin ~/.cursor/mcp.json
    cursor win32 C:\\Users\\me\\.cursor\\mcp.json
    vscode linux ~/.config/Code/User/mcp.json
    vscode darwin ~/Library/Application Support/Code/User/mcp.json
    vscode win32 C:\\Users\\me\\AppData\\Roaming\\Code\\User\\mcp.json
    windsurf linux ~/.codeium/windsurf/mcp_config.json
    windsurf darwin ~/.codeium/windsurf/mcp_config.json
    windsurf win32 C:\\Users\\me\\.codeium\\windsurf\\mcp_config.json
    zed linux ~/.config/zed/settings.json
    zed darwin ~/.config/zed/settings.json
    zed win32 C:\\Users\\me\\AppData\\Roaming\\Zed\\settings.json
    codex linux ~/.codex/config.toml
    codex darwin ~/.codex/config.toml
    codex win32 C:\\Users\\me\\.codex\\config.toml
    gemini linux ~/.gemini/settings.json
    gemini darwin ~/.gemini/settings.json
    gemini win32 C:\\Users\\me\\.gemini\\settings.json
    opencode linux ~/.config/opencode/opencode.json or ~/.config/opencode/opencode.jsonc
    opencode darwin ~/.config/opencode/opencode.json or ~/.config/opencode/opencode.jsonc
    opencode win32 C:\\Users\\me\\.config\\opencode\\opencode.json or C:\\Users\\me\\.config\\opencode\\opencode.jsonc
    goose linux ~/.config/goose/config.yaml
    goose darwin ~/.config/goose/config.yaml
    goose win32 C:\\Users\\me\\AppData\\Roaming\\Block\\goose\\config\\config.yaml
    librechat linux ~/librechat.yaml
    librechat darwin ~/librechat.yaml
    librechat win32 C:\\Users\\me\\librechat.yaml
    continue linux ~/.continue/mcpServers/gpu.json
    continue darwin ~/.continue/mcpServers/gpu.json
    continue win32 C:\\Users\\me\\.continue\\mcpServers\\gpu.json
    generic linux -
    generic darwin -
    generic win32 -
    "
  `);
});

test.each(CLIENTS)(
  '$word: what is printed is what is written, and the client reads it',
  async ({ word, client }) => {
    const environment = { KUBECONFIG: '/k/a:b', HTTPS_PROXY: 'http://proxy:3128', PATH: '/bin' };
    const words = `${word} gpu-a -n ops --context prod`;
    const printed = await config(words, environment);
    expect([printed.code, existsSync(fileOf(word) ?? '/nowhere')]).toEqual([0, false]);
    const tree = PARSE[client.format](printed.stdout);
    const entry = client.path.concat('gpu').reduce<unknown>((at, key) => Object(at)[key], tree);
    const server = {
      command: process.execPath,
      args: [
        expect.stringMatching(/plugin\.mjs$/),
        'serve',
        'gpu-a',
        '--context=prod',
        '--namespace=ops',
      ],
      env: client.inherits ? {} : { ...environment, KUBECONFIG: `/k/a:${home}/b` },
    };
    // Codex takes names, and has PATH.
    const { PATH, ...named } = environment;
    const wanted = client.entry(client.takesNames ? { ...server, env: named } : server, 'gpu');
    const isEmpty = (value: unknown) =>
      Object(value) === value && Object.keys(Object(value)).length === 0;
    expect(entry).toEqual(
      Object.fromEntries(Object.entries(wanted).filter(([, value]) => !isEmpty(value))),
    );
    const file = join(home, 'file');
    const written = await config(`${words} --write --file file`, environment);
    expect([written.code, written.stderr]).toEqual([0, '']);
    expect(PARSE[client.format](readFileSync(file, 'utf8'))).toEqual(tree);
    if (client.files === undefined) return;
    const own = await config(`${words} --write`, environment);
    expect(own.stdout).toContain('"gpu" added for');
    expect(PARSE[client.format](readFileSync(fileOf(word) ?? '', 'utf8'))).toEqual(tree);
  },
);

test('without a node any node of the cluster is served', async () => {
  const { stdout } = await config('cursor');
  expect(JSON.parse(stdout).mcpServers.gpu.args.slice(1)).toEqual(['serve']);
});

const JSONC = `{
\t// what I like
\t"theme": "dark", /* kept */
\t"mcpServers": {
\t\t// the old one
\t\t"old": { "command": "x", "args": ["a",] },
\t},
}
`;
const TOML = `# mine
model = "o3" # best
[mcp_servers.old] # old
command = "x"

[mcp_servers.gpu]
command = "was"
# about env
[mcp_servers.gpu.env]
A = "1"

# about history
[history]
max = 9007199254740993
`;
const YAML = `# mine
GOOSE_MODEL: x   # best
extensions:
  # builtin
  developer:
    enabled: true
    args: [a, b]
  gpu:
    cmd: was
    args:
      - a

  other: {enabled: false}
# last
last: 1
`;

describe('what stood in the file stays as it was', () => {
  const entry = { command: 'c', args: ['a'] };
  const without = (text: string) => text.split('\n').map(line => line.trimEnd());

  test('JSON with comments, tabs and commas too many', () => {
    const after = edited(JSONC, 'json', { path: ['mcpServers', 'gpu'], entry });
    for (const line of ['\t// what I like', '\t"theme": "dark", /* kept */', '\t\t// the old one'])
      expect(without(after)).toContain(line);
    expect(after).toContain('\n\t\t"gpu": {\n\t\t\t"command": "c",');
    expect(entryIn(after, 'json', ['mcpServers', 'old'])).toEqual({ command: 'x', args: ['a'] });
  });

  test('JSON of Windows: its mark and its ends of lines', () => {
    const text = '\uFEFF{\r\n    "a": 1\r\n}\r\n';
    const after = edited(text, 'json', { path: ['servers', 'gpu'], entry });
    expect(after.startsWith('\uFEFF{\r\n    "a": 1,\r\n    "servers": {\r\n        "gpu"')).toBe(
      true,
    );
    expect(after.replaceAll('\r\n', '')).not.toContain('\n');
  });

  test('TOML: the old table with its parts is replaced, and nothing else', () => {
    const after = edited(TOML, 'toml', { path: ['mcp_servers', 'gpu'], entry });
    const [before, behind] = TOML.split(/\[mcp_servers\.gpu\][\s\S]*A = "1"\n/);
    expect(after.startsWith(before ?? '-')).toBe(true);
    expect(after.endsWith(behind ?? '-')).toBe(true);
    expect(entryIn(after, 'toml', ['mcp_servers', 'gpu'])).toEqual(entry);
  });

  test('YAML: the old entry is replaced, and nothing else', () => {
    const after = edited(YAML, 'yaml', { path: ['extensions', 'gpu'], entry });
    const [before, behind] = YAML.split(/ {2}gpu:\n[\s\S]*- a\n/);
    expect(after.startsWith(before ?? '-')).toBe(true);
    expect(after.endsWith(behind ?? '-')).toBe(true);
    expect(entryIn(after, 'yaml', ['extensions', 'gpu'])).toEqual(entry);
  });

  const PRINT = {
    json: (tree: unknown) => JSON.stringify(tree, null, 1),
    toml: tomlOf,
    yaml: dump,
  };
  const key = fc.stringMatching(/^[a-z][a-z .-]{0,6}$/);
  const leaf = fc.oneof(
    fc.string(),
    fc.boolean(),
    fc.integer(),
    fc.constantFrom('#', '- a', 'a: b'),
  );
  const servers = fc.dictionary(fc.oneof(fc.constant('gpu'), key), fc.dictionary(key, leaf));
  const trees = fc.record(
    { mcpServers: servers, other: servers, last: leaf },
    { requiredKeys: [] },
  );

  test.each(['json', 'toml', 'yaml'] as const)(
    'any %s: all else says what it said, or it is refused',
    format => {
      let refused = 0;
      fc.assert(
        fc.property(trees, tree => {
          const text = PRINT[format](tree);
          const before = PARSE[format](text);
          try {
            const after = edited(text, format, { path: ['mcpServers', 'gpu'], entry });
            const wanted = { ...tree, mcpServers: { ...tree.mcpServers, gpu: entry } };
            expect(plain(PARSE[format](after))).toEqual(plain(wanted));
          } catch (error) {
            if (!(error instanceof NotEditable)) throw error;
            refused += 1;
          }
          expect(before).toBeDefined();
        }),
        { numRuns: 300 },
      );
      expect(refused).toBeLessThan(format === 'json' ? 1 : 100);
    },
  );
});

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test.each([
  ['cursor', '{ "mcpServers": ', /not valid JSON \(line 1\)/],
  ['cursor', '[1]', /is not a set of named settings/],
  ['cursor', '{ "mcpServers": [] }', /"mcpServers" in it is not a set of named settings/],
  ['codex', 'a = \n', /not valid TOML/],
  ['codex', 'mcp_servers = { gpu = { command = "x" } }\n', /cannot be edited/],
  ['goose', 'a: [\n', /not valid YAML/],
  ['goose', 'extensions: {developer: {enabled: true}}\n', /cannot be edited/],
  ['goose', 'extensions:\n  - a\n', /is not a set of named settings/],
  ['cursor', Buffer.from([0x7b, 0xff, 0x7d]), /not UTF-8 text/],
])('%s: a file that cannot be edited is left as it is: %j', async (word, text, why) => {
  const file = join(home, 'settings');
  writeFileSync(file, text);
  const { code, stdout, stderr } = await config(`${word} --write --file settings`);
  expect(stderr).toMatch(/^error: ".*settings" was not changed: /);
  expect(stderr).toMatch(why);
  expect(stderr).toMatch(/^try: .*paste what is printed above/m);
  expect([code, stdout]).toEqual([2, expect.stringContaining('serve')]);
  expect(readFileSync(file)).toEqual(Buffer.from(text));
  expect(readdirSync(home)).toEqual(['settings']);
});

test('a folder in the place of the file is said', async () => {
  mkdirSync(join(home, 'settings'));
  const { code, stderr } = await config('cursor --write --file settings');
  expect([code, stderr]).toEqual([2, expect.stringContaining('was not changed (EISDIR)')]);
});

test('the file as it was is kept beside; its rights and a link to it stay; the second time changes nothing', async () => {
  const kept = join(home, 'dotfiles');
  mkdirSync(kept);
  writeFileSync(join(kept, 'mcp.json'), JSONC);
  chmodSync(join(kept, 'mcp.json'), 0o640);
  const file = fileOf('cursor') ?? '';
  mkdirSync(dirname(file));
  symlinkSync(join(kept, 'mcp.json'), file);
  const first = await config('cursor --write');
  expect(first.stdout).toMatch(/"gpu" added for Cursor\nthe file as it was: .*\.bak\n/);
  expect(lstatSync(file).isSymbolicLink()).toBe(true);
  expect(statSync(file).mode & 0o777).toBe(0o640);
  const [backup = ''] = readdirSync(kept).filter(name => name.endsWith('.bak'));
  expect(readFileSync(join(kept, backup), 'utf8')).toBe(JSONC);
  const text = readFileSync(file, 'utf8');
  expect((await config('cursor --write')).stdout).toContain('nothing was changed');
  expect((await config('cursor gpu-a --write')).stdout).toContain('"gpu" replaced for Cursor');
  expect(text).not.toContain('gpu-a');
  expect(readdirSync(kept)).toHaveLength(3);
});

test('a file as it was is never written over', async () => {
  const file = join(home, 'settings');
  writeFileSync(file, '{}');
  const at = (words: string) =>
    run(['config', 'cursor', ...words.split(' '), '--write', '--file', 'settings'], {
      ...{ environment: { HOME: home }, folder: home, nowMs: 0 },
    });
  expect((await at('gpu-a')).code).toBe(0);
  const { code, stderr } = await at('gpu-b');
  expect([code, stderr]).toEqual([2, expect.stringContaining('was not changed (EEXIST)')]);
  expect(readFileSync(file, 'utf8')).toContain('gpu-a');
  expect(readFileSync(join(home, 'settings.19700101T000000.000Z.bak'), 'utf8')).toBe('{}');
});

test('secrets are named and never written, unless one asks for them by name', async () => {
  const environment = {
    AWS_PROFILE: 'prod',
    AWS_SECRET_ACCESS_KEY: 'wJalr',
    HTTPS_PROXY: 'http://me:hunter2@proxy:3128',
  };
  for (const { word } of CLIENTS) {
    const { stdout, stderr } = await config(
      `${word} --token t0ken --password passw0rd`,
      environment,
    );
    expect(stdout + stderr).not.toMatch(/wJalr|hunter2|t0ken|passw0rd/);
    expect(stderr).toContain('--token');
  }
  const { stdout, stderr } = await config('cursor --env AWS_SECRET_ACCESS_KEY', environment);
  expect(JSON.parse(stdout).mcpServers.gpu.env).toEqual({
    AWS_PROFILE: 'prod',
    AWS_SECRET_ACCESS_KEY: 'wJalr',
  });
  expect(stderr).toContain('left out as secret: HTTPS_PROXY (--env HTTPS_PROXY)\n');
});

test('files are named by their full paths, wherever the client starts the server', async () => {
  const { stdout } = await config('cursor --kubeconfig k --simulate ./m.json', { KUBECONFIG: 'x' });
  const { args, env } = JSON.parse(stdout).mcpServers.gpu;
  expect(args).toEqual(
    expect.arrayContaining([`--kubeconfig=${home}/k`, `--simulate=${home}/m.json`]),
  );
  expect(env).toBeUndefined();
});

describe('a link that installs by a click', () => {
  const words = 'NODE -n gpu-mcp --context prod+1 --name gpu-a';
  const environment = { KUBECONFIG: 'x', AWS_PROFILE: 'p&q=ü' };

  test('of Cursor holds the very entry that is printed', async () => {
    const { stdout } = await config(`cursor ${words}`, environment);
    const { stdout: link } = await config(`cursor ${words} --link`, environment);
    const { protocol, host, pathname, searchParams } = new URL(link.trim());
    expect([protocol, host, pathname]).toEqual([
      'cursor:',
      'anysphere.cursor-deeplink',
      '/mcp/install',
    ]);
    const held = Buffer.from(searchParams.get('config') ?? '', 'base64').toString();
    expect({ [searchParams.get('name') ?? '']: JSON.parse(held) }).toEqual(
      JSON.parse(stdout).mcpServers,
    );
  });

  test('of VS Code holds the very entry that is printed', async () => {
    const { stdout } = await config(`vscode ${words}`, environment);
    const { stdout: link } = await config(`vscode ${words} --link`, environment);
    const [scheme, held = ''] = link.trim().split('?');
    expect(scheme).toBe('vscode:mcp/install');
    const { name, ...entry } = JSON.parse(decodeURIComponent(held));
    expect({ [name]: entry }).toEqual(JSON.parse(stdout).servers);
  });

  test('is refused where a client takes none, and beside --write', async () => {
    expect(await config('codex --link')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Codex takes no link'),
    });
    expect(await config('cursor --link --write')).toMatchObject({ code: 2, stdout: '' });
  });
});

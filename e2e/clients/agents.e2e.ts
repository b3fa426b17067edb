import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { arch, execPath, env as ownEnv } from 'node:process';
import { describe, inject, test } from 'vitest';
import * as z from 'zod';
import { type ScriptedModel, scriptedModel } from '../../test/fakes/scripted-model.ts';
import { LAUNCHER } from '../prepare.ts';
import { runClient } from './program.ts';

const QUESTION = 'Why did the job on this node die?';
const LAST_WORD = 'GPU 6 is lost: reboot the node.';

/** Two calls that are answered, and between them what a model gets wrong. */
const SCRIPT = [
  { tool: 'triage_gpu_node', input: {} },
  { tool: 'get_gpu_health', input: { gpu: '99' } },
  { tool: 'explain_xid', input: { query: '79' } },
  { text: LAST_WORD },
];

interface Place {
  readonly home: string;
  readonly modules: string;
  readonly model: ScriptedModel;
}

interface Agent {
  readonly client: string;
  /** Its program and words for one question, without a terminal. */
  ask(place: Place): readonly string[];
  readonly env?: (place: Place) => Readonly<Record<string, string>>;
  /** What it needs beside the server: which model, and that nobody confirms. */
  readonly settings?: (place: Place) => { readonly file: string; readonly more: object };
  /** It lists its servers without a model, and connects to them. */
  readonly list?: { readonly words: readonly string[]; readonly says: RegExp };
}

const platform = (name: string) => `${name}-linux-${arch}`;

const AGENTS: readonly Agent[] = [
  {
    client: 'claude-code',
    ask: ({ modules }) => [
      join(modules, platform('@anthropic-ai/claude-code'), 'claude'),
      ...['-p', QUESTION, '--allowedTools', 'mcp__gpu__*', '--model', 'claude-sonnet-4-5'],
    ],
    env: ({ model }) => ({
      ...{ ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'none', ENABLE_TOOL_SEARCH: 'false' },
      ...{ CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_AUTOUPDATER: '1' },
    }),
    list: { words: ['mcp', 'list'], says: /gpu: .*Connected/ },
  },
  {
    client: 'codex',
    ask: ({ modules, model }) => [
      ...[execPath, join(modules, '@openai/codex/bin/codex.js'), 'exec', '--skip-git-repo-check'],
      ...['--dangerously-bypass-approvals-and-sandbox', '-m', 'scripted'],
      // It does not wait for a server that it may do without.
      ...['-c', 'mcp_servers.gpu.required=true', '-c', 'model_provider="local"', '-c'],
      `model_providers.local={name="local",base_url="${model.url}/v1",wire_api="responses",env_key="KEY"}`,
      QUESTION,
    ],
    env: () => ({ KEY: 'none' }),
    // It does not connect for this; that the entry is read is all it says.
    list: { words: ['mcp', 'list'], says: /gpu .*serve --simulate=\S+ .*enabled/ },
  },
  {
    client: 'gemini',
    ask: ({ modules }) => [
      ...[execPath, join(modules, '@google/gemini-cli/bundle/gemini.js')],
      ...['-p', QUESTION, '--yolo', '-m', 'gemini-2.5-flash'],
    ],
    env: ({ model }) => ({
      ...{ GEMINI_API_KEY: 'none', GOOGLE_GEMINI_BASE_URL: model.url },
      GEMINI_CLI_TRUST_WORKSPACE: 'true',
    }),
    settings: ({ home }) => ({
      file: join(home, '.gemini/settings.json'),
      more: { security: { auth: { selectedType: 'gemini-api-key' } } },
    }),
    list: { words: ['mcp', 'list'], says: /gpu: .*Connected/ },
  },
  {
    client: 'opencode',
    ask: ({ modules }) => [
      join(modules, platform('opencode'), 'bin/opencode'),
      ...['run', '-m', 'local/scripted', QUESTION],
    ],
    env: () => ({
      ...{ OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_AUTOUPDATE: '1' },
      ...{ OPENCODE_DISABLE_DEFAULT_PLUGINS: '1', OPENCODE_DISABLE_LSP_DOWNLOAD: '1' },
    }),
    settings: ({ home, model }) => ({
      file: join(home, '.config/opencode/opencode.json'),
      more: {
        provider: {
          local: {
            ...{ npm: '@ai-sdk/openai-compatible', name: 'local' },
            options: { baseURL: `${model.url}/v1`, apiKey: 'none' },
            models: { scripted: { name: 'scripted', tool_call: true } },
          },
        },
      },
    }),
    list: { words: ['mcp', 'list'], says: /gpu .*connected/ },
  },
];

const basics = (home: string) => ({ PATH: ownEnv['PATH'] ?? '', HOME: home });

/** Runs a command of ours as its user would, and merges what the client needs besides. */
async function configure({ client, settings }: Agent, place: Place): Promise<void> {
  const words = ['config', client, '--write', '--simulate', 'job-lost-gpu'];
  const { code, stderr } = await runClient([execPath, LAUNCHER, ...words], {
    cwd: place.home,
    env: basics(place.home),
  });
  if (code !== 0) throw new Error(stderr);
  const { file, more } = settings?.(place) ?? { file: undefined, more: {} };
  if (file === undefined) return;
  const written = z.looseObject({}).parse(JSON.parse(readFileSync(file, 'utf8')));
  writeFileSync(file, JSON.stringify({ ...written, ...more }));
}

describe.concurrent('an agent with what `config` has written for it, and a model that is a script', () => {
  test.for(AGENTS)(
    '$client calls tools, is told of a mistake, and leaves nothing',
    async (agent, { skip, expect }) => {
      const { npm } = inject('clients');
      if ('why' in npm) return skip(npm.why);
      // Not below the folder for temporary files, where Codex makes no helper.
      const cache = join(homedir(), '.cache');
      mkdirSync(cache, { recursive: true });
      const home = mkdtempSync(join(cache, 'gpu-mcp-agent-'));
      const model = await scriptedModel(SCRIPT);
      const place = { home, model, modules: join(npm.folder, 'node_modules') };
      try {
        await configure(agent, place);
        const options = { cwd: home, env: { ...basics(home), ...agent.env?.(place) } };
        const [program = '', second = ''] = agent.ask(place);
        if (agent.list) {
          const listed = await runClient(
            [program, ...(second.endsWith('.js') ? [second] : []), ...agent.list.words],
            options,
          );
          expect(listed.stdout + listed.stderr).toMatch(agent.list.says);
          expect(listed.left).toEqual([]);
        }
        const asked = await runClient(agent.ask(place), options);
        expect(asked.stdout).toContain(LAST_WORD);
        expect(asked.left).toEqual([]);
        const { tools, results } = model.heard.at(-1) ?? { tools: [], results: [] };
        expect(tools.filter(name => /gpu|xid/.test(name)).length).toBeGreaterThanOrEqual(16);
        expect(results).toHaveLength(3);
        expect(results[0]).toMatch(/critical/i);
        expect(results[0]).toContain('pretrain-3');
        expect(results[1]).toContain('here are 0, 1, 2');
        expect(results[2]).toContain('reboot_node');
      } finally {
        await model.close();
        rmSync(home, { recursive: true, force: true });
      }
    },
  );
});

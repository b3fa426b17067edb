import { posix, win32 } from 'node:path';
import { CLIENT_ANSWER_MS_MAX, CLIENT_START_MS_MAX } from '../contract/limits.ts';

/** What of a machine says where its programs keep their settings. */
export interface Machine {
  /** As Node names it: linux, darwin, win32. */
  readonly platform: string;
  readonly home: string;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What a client starts: an absolute command, its words, and the variables that it must be given. */
export interface Server {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** One AI client: which file has its servers, under which key, and in which shape. */
export interface AiClient {
  readonly title: string;
  readonly format: 'json' | 'toml' | 'yaml';
  /** The keys in front of the server's name. */
  readonly path: readonly string[];
  /** Absent: it has no file of its own. Of several the first that is there, else the first. */
  readonly files?: (machine: Machine, name: string) => readonly string[];
  /** It hands its whole environment on, so nothing is to be written. */
  readonly inherits?: true;
  /** It takes names of variables and reads their values itself. */
  readonly takesNames?: true;
  entry(server: Server, name: string): Readonly<Record<string, unknown>>;
  /** A link that installs an entry by a click, where the client takes one. */
  readonly link?: (entry: Readonly<Record<string, unknown>>, name: string) => string;
}

const join = ({ platform }: Machine, ...parts: readonly string[]): string =>
  (platform === 'win32' ? win32 : posix).join(...parts);

const inHome =
  (...parts: readonly string[]) =>
  (machine: Machine): readonly string[] => [join(machine, machine.home, ...parts)];

/** Where applications keep their settings on each system. */
function settings(machine: Machine, windows: readonly string[], ...others: readonly string[]) {
  const { environment, home } = machine;
  const roaming = environment['APPDATA'] ?? join(machine, home, 'AppData', 'Roaming');
  const config = environment['XDG_CONFIG_HOME'] ?? join(machine, home, '.config');
  return machine.platform === 'win32'
    ? join(machine, roaming, ...windows)
    : join(machine, config, ...others);
}

/** The same of a program of Electron, which has a place of its own on macOS. */
const electron =
  (...parts: readonly string[]) =>
  (machine: Machine): readonly string[] => [
    machine.platform === 'darwin'
      ? join(machine, machine.home, 'Library', 'Application Support', ...parts)
      : settings(machine, parts, ...parts),
  ];

const plain = ({ command, args, env }: Server) => ({ command, args, env });
const stdio = (server: Server) => ({ type: 'stdio', ...plain(server) });

const base64 = (text: string) => Buffer.from(text).toString('base64');

const START_SECONDS = CLIENT_START_MS_MAX / 1_000;
const ANSWER_SECONDS = CLIENT_ANSWER_MS_MAX / 1_000;

/**
 * Each after its own documentation, as of November 2026. What a client hands on of its environment was
 * tried with those that run here; the others are built on the MCP SDK, which hands on HOME, LOGNAME,
 * PATH, SHELL, TERM and USER alone (client/stdio.ts, getDefaultEnvironment).
 */
export const AI_CLIENTS: Readonly<Record<string, AiClient>> = {
  // code.claude.com/docs/en/mcp: user scope.
  'claude-code': {
    title: 'Claude Code',
    format: 'json',
    path: ['mcpServers'],
    files: machine => [
      join(machine, machine.environment['CLAUDE_CONFIG_DIR'] ?? machine.home, '.claude.json'),
    ],
    inherits: true,
    entry: stdio,
  },
  // modelcontextprotocol.io/docs/develop/connect-local-servers.
  'claude-desktop': {
    title: 'Claude Desktop',
    format: 'json',
    path: ['mcpServers'],
    files: electron('Claude', 'claude_desktop_config.json'),
    entry: plain,
  },
  // cursor.com/docs/context/mcp; links: cursor.com/docs/context/mcp/install-links.
  cursor: {
    title: 'Cursor',
    format: 'json',
    path: ['mcpServers'],
    files: inHome('.cursor', 'mcp.json'),
    entry: plain,
    link(entry, name) {
      const words = { name, config: base64(JSON.stringify(entry)) };
      return `cursor://anysphere.cursor-deeplink/mcp/install?${new URLSearchParams(words)}`;
    },
  },
  // code.visualstudio.com/docs/agents/reference/mcp-configuration: the user's profile.
  vscode: {
    title: 'VS Code',
    format: 'json',
    path: ['servers'],
    files: electron('Code', 'User', 'mcp.json'),
    entry: stdio,
    link: (entry, name) =>
      `vscode:mcp/install?${encodeURIComponent(JSON.stringify({ name, ...entry }))}`,
  },
  // docs.windsurf.com/windsurf/cascade/mcp.
  windsurf: {
    title: 'Windsurf',
    format: 'json',
    path: ['mcpServers'],
    files: inHome('.codeium', 'windsurf', 'mcp_config.json'),
    entry: plain,
  },
  // zed.dev/docs/ai/mcp.
  zed: {
    title: 'Zed',
    format: 'json',
    path: ['context_servers'],
    files: machine =>
      machine.platform === 'darwin'
        ? inHome('.config', 'zed', 'settings.json')(machine)
        : [settings(machine, ['Zed', 'settings.json'], 'zed', 'settings.json')],
    entry: plain,
  },
  // developers.openai.com/codex/mcp. Of the environment it hands on a short list, and what `env_vars` names.
  codex: {
    title: 'Codex',
    format: 'toml',
    path: ['mcp_servers'],
    files: machine => [
      join(
        machine,
        machine.environment['CODEX_HOME'] ?? join(machine, machine.home, '.codex'),
        'config.toml',
      ),
    ],
    takesNames: true,
    entry: ({ command, args, env }) => ({
      ...{ command, args, env_vars: Object.keys(env) },
      ...{ startup_timeout_sec: START_SECONDS, tool_timeout_sec: ANSWER_SECONDS },
    }),
  },
  // google-gemini/gemini-cli, docs/tools/mcp-server.md.
  gemini: {
    title: 'Gemini CLI',
    format: 'json',
    path: ['mcpServers'],
    files: inHome('.gemini', 'settings.json'),
    inherits: true,
    entry: server => ({ ...plain(server), timeout: CLIENT_ANSWER_MS_MAX }),
  },
  // opencode.ai/docs/mcp-servers; opencode.jsonc and opencode.json are read alike.
  opencode: {
    title: 'opencode',
    format: 'json',
    path: ['mcp'],
    files: machine =>
      ['opencode.json', 'opencode.jsonc'].map(file =>
        machine.platform === 'win32'
          ? join(machine, machine.home, '.config', 'opencode', file)
          : settings(machine, [], 'opencode', file),
      ),
    inherits: true,
    entry: ({ command, args, env }) => ({
      ...{ type: 'local', command: [command, ...args], enabled: true },
      environment: env,
    }),
  },
  // block.github.io/goose/docs/guides/config-files; timeout in seconds.
  goose: {
    title: 'Goose',
    format: 'yaml',
    path: ['extensions'],
    files: machine =>
      machine.platform === 'win32'
        ? [settings(machine, ['Block', 'goose', 'config', 'config.yaml'])]
        : inHome('.config', 'goose', 'config.yaml')(machine),
    entry: ({ command, args, env }, name) => ({
      ...{ name, type: 'stdio', enabled: true, cmd: command, args, envs: env },
      timeout: ANSWER_SECONDS,
    }),
  },
  // librechat.ai/docs/configuration/librechat_yaml/object_structure/mcp_servers: in its own folder.
  librechat: {
    title: 'LibreChat',
    format: 'yaml',
    path: ['mcpServers'],
    files: machine => [join(machine, machine.folder, 'librechat.yaml')],
    entry: server => ({ ...stdio(server), timeout: CLIENT_ANSWER_MS_MAX }),
  },
  // docs.continue.dev/customize/deep-dives/mcp: files of this shape in .continue/mcpServers are read.
  continue: {
    title: 'Continue',
    format: 'json',
    path: ['mcpServers'],
    files: (machine, name) => inHome('.continue', 'mcpServers', `${name}.json`)(machine),
    entry: stdio,
  },
  // The shape that most clients understand.
  generic: { title: 'any other client', format: 'json', path: ['mcpServers'], entry: plain },
};

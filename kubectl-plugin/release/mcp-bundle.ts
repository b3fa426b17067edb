import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import project from '../../package.json' with { type: 'json' };
import { type File, zip } from './archives.ts';

/** What directories of MCP servers say of a release. */
export interface McpRelease {
  readonly version: string;
  /** `OWNER/NAME` of the place that the files are downloaded from. */
  readonly repository: string;
}

const TITLE = 'GPU triage on Kubernetes';
/** The registry takes 100 characters. */
const SUMMARY =
  'What is wrong with the NVIDIA GPUs of a node: XID, ECC, NVLink, throttling, pods hit. It only reads.';

/** Who may publish under this name is known by the owner of the repository. */
export const mcpName = (repository: string): string =>
  `io.github.${repository.split('/')[0]}/${project.name}`;

export const bundleName = (version: string): string => `${project.name}-${version}.mcpb`;

/** What a user may say of the server, in the directories that ask for it. */
const SETTINGS = {
  kubeconfig: {
    ...{ title: 'Kubeconfig', type: 'file' },
    description: 'Path to the kubeconfig file; empty: $KUBECONFIG, or ~/.kube/config',
  },
  context: {
    ...{ title: 'Context', type: 'string' },
    description: 'The kubeconfig context to use; empty: the current one',
  },
  toolsets: {
    ...{ title: 'Tools', type: 'string' },
    description: 'Which tools are offered, with commas: triage, readings, workloads, repair',
  },
} as const;

const ALL_TOOLSETS = 'triage,readings,workloads,repair';

/** For the MCP registry: schema 2025-12-11 of modelcontextprotocol/registry. */
export function registryEntry({ version, repository }: McpRelease, bundleSha256: string): string {
  const address = `https://github.com/${repository}`;
  const entry = {
    $schema: 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json',
    ...{ name: mcpName(repository), title: TITLE, description: SUMMARY, version },
    websiteUrl: `${address}#readme`,
    repository: { url: address, source: 'github' },
    packages: [
      {
        ...{ registryType: 'npm', identifier: project.name, version, runtimeHint: 'npx' },
        transport: { type: 'stdio' },
        packageArguments: [
          { type: 'positional', value: 'serve' },
          { type: 'named', name: '--context', description: SETTINGS.context.description },
          { type: 'named', name: '--toolsets', description: SETTINGS.toolsets.description },
          {
            ...{ type: 'positional', valueHint: 'node', isRepeated: true },
            description: 'Nodes to serve; none: any node of the cluster, which each call names',
          },
        ],
        environmentVariables: [
          { name: 'KUBECONFIG', format: 'filepath', description: SETTINGS.kubeconfig.description },
        ],
      },
      {
        registryType: 'mcpb',
        identifier: `${address}/releases/download/v${version}/${bundleName(version)}`,
        ...{ fileSha256: bundleSha256, transport: { type: 'stdio' } },
      },
    ],
  };
  return `${JSON.stringify(entry, null, 2)}\n`;
}

/** A placeholder of the format, for whoever installs it. */
const filledIn = (name: string): string => `\${${name}}`;

/** The manifest of the bundle that desktop clients install by a click: MCPB 0.3. */
export function bundleManifest({ version, repository }: McpRelease): object {
  const address = `https://github.com/${repository}`;
  const [owner = ''] = repository.split('/');
  return {
    ...{ manifest_version: '0.3', name: project.name, display_name: TITLE, version },
    ...{ description: SUMMARY, author: { name: owner, url: `https://github.com/${owner}` } },
    ...{ repository: { type: 'git', url: `${address}.git` }, homepage: `${address}#readme` },
    server: {
      ...{ type: 'node', entry_point: 'kubectl-plugin/kubectl-gpu_mcp.mjs' },
      mcp_config: {
        command: 'node',
        args: [
          ...[`${filledIn('__dirname')}/kubectl-plugin/kubectl-gpu_mcp.mjs`, 'serve'],
          ...Object.keys(SETTINGS).map(name => `--${name}=${filledIn(`user_config.${name}`)}`),
          filledIn('user_config.node'),
        ],
      },
    },
    // An empty text is no setting, an empty list no word: nothing has to be filled in.
    user_config: {
      ...Object.fromEntries(
        Object.entries(SETTINGS).map(([name, setting]) => [
          name,
          { ...setting, required: false, default: name === 'toolsets' ? ALL_TOOLSETS : '' },
        ]),
      ),
      node: {
        ...{ title: 'Node', type: 'string', multiple: true, required: false, default: [] },
        description: 'Nodes to serve; none: any node of the cluster, which each call names',
      },
    },
    ...{ tools_generated: true, prompts_generated: true },
    ...{ license: project.license, keywords: project.keywords },
    compatibility: {
      platforms: ['darwin', 'linux', 'win32'],
      runtimes: { node: project.engines.node },
    },
  };
}

/** The bundle of a folder that holds what the npm package does. The same folder gives the same bytes. */
export function mcpBundle(folder: string, released: McpRelease): Promise<Buffer> {
  const manifest = Buffer.from(`${JSON.stringify(bundleManifest(released), null, 2)}\n`);
  const packed = filesUnder(folder, ['dist', 'kubectl-plugin', 'LICENSE', 'package.json']);
  return zip([{ path: 'manifest.json', mode: 0o644, content: manifest }, ...packed]);
}

function filesUnder(folder: string, names: readonly string[]): readonly File[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter(path => names.includes(path.slice(folder.length + 1).split('/')[0] ?? ''))
    .map(path => ({
      path: path.slice(folder.length + 1),
      mode: 0o644,
      content: readFileSync(path),
    }));
}

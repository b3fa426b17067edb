/**
 * What is in the pod's image and how it is started: the one place that says so.
 * The Dockerfile repeats the configuration (a test compares them) and takes its files from here.
 */

export const PLATFORMS = ['linux/amd64', 'linux/arm64'] as const;
export type Platform = (typeof PLATFORMS)[number];

/**
 * How Node runs the agent: a small young generation, an old one that grows in small steps, and no compiler for
 * code that runs often. An answer after many takes a quarter more CPU, and the process half of the memory
 * (docs/performance.md).
 */
export const FLAGS = [
  ...(['--max-semi-space-size=1', '--heap-growing-percent=20'] as const),
  ...(['--no-opt', '--no-maglev'] as const),
] as const;

/** The heap that Node starts the agent from, where the image holds it (snapshots.ts). */
export const AGENT_SNAPSHOT = 'app/agent.blob';

/** What the image runs. From a snapshot the agent's file is only a name, beside which the others lie. */
export const entrypoint = (fromSnapshot: boolean): readonly [string, ...string[]] => [
  '/usr/bin/node',
  ...FLAGS,
  ...(fromSnapshot ? ['--snapshot-blob', `/${AGENT_SNAPSHOT}`] : []),
  '/app/agent.mjs',
];

export const CONFIGURATION = {
  /** A session's pod asks for user 0, which /dev/kmsg and the driver need; nothing else should get it. */
  user: '65532:65532',
  workingDirectory: '/',
  environment: { PATH: '/usr/bin' },
  labels: {
    'org.opencontainers.image.title': 'gpu-mcp',
    'org.opencontainers.image.description':
      'Reads the NVIDIA driver and the kernel log of one node and answers over MCP on stdin and stdout.',
    'org.opencontainers.image.licenses': 'Apache-2.0',
  },
} as const;

/** The image's name where no registry is in use; the tag is the version of package.json. */
export const REPOSITORY = 'localhost/gpu-mcp';

/** What differs between the platforms: names of Node's, of Debian's and of the loader. */
export const ARCHITECTURES: Readonly<Record<Platform, Architecture>> = {
  'linux/amd64': {
    node: 'linux-x64',
    debian: 'amd64',
    libraries: 'lib/x86_64-linux-gnu',
    loader: 'lib64/ld-linux-x86-64.so.2',
  },
  'linux/arm64': {
    node: 'linux-arm64',
    debian: 'arm64',
    libraries: 'lib/aarch64-linux-gnu',
    loader: 'lib/ld-linux-aarch64.so.1',
  },
};

export interface Architecture {
  readonly node: 'linux-x64' | 'linux-arm64';
  readonly debian: 'amd64' | 'arm64';
  readonly libraries: string;
  readonly loader: string;
}

/**
 * The libraries that Node, koffi and the host's libnvidia-ml.so.1 link (`readelf -d`), by the Debian
 * package that brings them; the loader comes with libc6. librt is for NVIDIA libraries before R515.
 */
export const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  libc6: ['libc.so.6', 'libdl.so.2', 'libm.so.6', 'libpthread.so.0', 'librt.so.1'],
  'libgcc-s1': ['libgcc_s.so.1'],
  'libstdc++6': ['libstdc++.so.6'],
  libatomic1: ['libatomic.so.1'],
};

export const DIRECTORIES: readonly { readonly path: string; readonly mode: number }[] = [
  ...['app', 'dev', 'etc', 'host', 'proc', 'run', 'sys', 'usr', 'usr/bin', 'var'].map(path => ({
    path,
    mode: 0o755,
  })),
  { path: 'tmp', mode: 0o1777 },
];

/** Users by name, so that tools can show them; neither has a shell or a password. */
export const ACCOUNTS = {
  'etc/passwd': 'root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n',
  'etc/group': 'root:x:0:\nnonroot:x:65532:\n',
};

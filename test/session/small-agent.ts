import { type Image, layer } from '../../images/agent/oci.ts';
import { AGENT_ENVIRONMENT } from '../../src/contract/labels.ts';
import { VERSION } from '../../src/contract/version.ts';

/** An image of both platforms whose Node and agent are a few lines of shell. */

const program = (path: string, content: string) => ({
  ...{ path, mode: 0o755, content: Buffer.from(content) },
});

/** In the place of a loader: it runs what it is given with the shell, libraries and all. */
const LOADER = '#!/bin/sh\necho "$@" >&2\nshift 3\nexec sh "$@"\n';
/** In the place of Node and agent: what it has for itself, then all that it hears. */
const AGENT = `[ "$1" = --version ] && exit\necho "$* $${AGENT_ENVIRONMENT.libraries} [$NODE_OPTIONS]"\nexec cat\n`;

export const layers = [
  layer(
    [
      ...['lib', 'lib/any-linux-gnu', 'lib64', 'usr', 'usr/bin'].map(path => ({
        path,
        mode: 0o755,
      })),
      program('lib64/ld-linux-any.so.2', LOADER),
      program('usr/bin/node', AGENT),
    ],
    'the runtime',
  ),
  layer([program('app.mjs', 'x'.repeat(300_000))], 'the agent'),
];
export const images: readonly Image[] = (['linux/amd64', 'linux/arm64'] as const).map(platform => ({
  ...{ platform, version: VERSION, layers, fromSnapshot: false },
}));

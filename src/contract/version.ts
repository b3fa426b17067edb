import project from '../../package.json' with { type: 'json' };

/** The one version of both halves; a bridge refuses an agent of another. */
export const VERSION = project.version;

/** Set by a release: the published image, by its digest. */
declare const GPU_MCP_RELEASE_IMAGE: string | undefined;

/**
 * The agent's image when none is named: of a release the published one; else what `npm run image`
 * writes, for clusters whose nodes hold it. --image or GPU_MCP_IMAGE names another, best by digest.
 */
export const DEFAULT_IMAGE =
  typeof GPU_MCP_RELEASE_IMAGE === 'string'
    ? GPU_MCP_RELEASE_IMAGE
    : `localhost/gpu-mcp:${VERSION}`;
export const IMAGE_ENVIRONMENT = 'GPU_MCP_IMAGE';

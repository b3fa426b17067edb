import project from '../../package.json' with { type: 'json' };

/** The one version of both halves; a bridge refuses an agent of another. */
export const VERSION = project.version;

/**
 * The agent's image when none is named: what `npm run image` writes, for clusters whose nodes hold
 * it. Where it comes from a registry, --image or GPU_MCP_IMAGE names it, best by digest.
 */
export const DEFAULT_IMAGE = `localhost/gpu-mcp:${VERSION}`;
export const IMAGE_ENVIRONMENT = 'GPU_MCP_IMAGE';

import project from '../../package.json' with { type: 'json' };

/** The one version of both halves; a bridge refuses an agent of another. */
export const VERSION = project.version;

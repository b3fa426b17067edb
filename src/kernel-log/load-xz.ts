import type { LoadXz, XzModule } from './journal-codecs.ts';

/** Loads the xz decoder (WebAssembly) at the first file that needs it. */
export const loadXz: LoadXz = async () => {
  // The package is CommonJS: its exports stand under `default` in Node, beside it in a bundle.
  const loaded: XzModule & { readonly default?: XzModule } = await import('xz-decompress');
  return loaded.default ?? loaded;
};

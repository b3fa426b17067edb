import { dump } from 'js-yaml';

/** YAML without anchors or line folding, as kubectl writes it. */
export const asYaml = (value: unknown): string => dump(value, { lineWidth: -1, noRefs: true });

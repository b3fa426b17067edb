import { expect, test } from 'vitest';
import { namespaceManifest, rbacManifests } from '../../src/cli/manifest.ts';

test('what an admin applies: the namespace, and rights of one group in it', () => {
  expect([namespaceManifest('gpu-mcp'), ...rbacManifests('gpu-mcp', {})]).toMatchSnapshot();
});

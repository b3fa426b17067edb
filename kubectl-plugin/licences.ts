import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The licence texts of all npm packages whose files went into a bundle, as one text, sorted by name.
 * `inputs` are paths as esbuild's metafile names them. Throws for a package that brings no licence.
 */
export function licencesOf(project: string, inputs: Iterable<string>): string {
  const packages = new Set<string>();
  for (const input of inputs) {
    const name = /(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[0];
    if (name !== undefined) packages.add(name);
  }
  return [...packages]
    .sort()
    .map(folder => section(join(project, folder)))
    .join('\n');
}

function section(folder: string): string {
  const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const title = `${field(manifest, 'name')} ${field(manifest, 'version')} (${field(manifest, 'license')})`;
  const file = existsSync(folder)
    ? readdirSync(folder).find(name => /^licen[cs]e/i.test(name))
    : undefined;
  // A few packages only name their licence in package.json.
  const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim();
  return `${'='.repeat(72)}\n${title}\n${'='.repeat(72)}\n${text}\n`;
}

function field(manifest: unknown, name: string): string {
  const value =
    typeof manifest === 'object' && manifest !== null ? Reflect.get(manifest, name) : undefined;
  if (typeof value !== 'string') throw new Error(`a package without ${name}`);
  return value;
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { Lock, NpmPackage } from '../../images/agent/lock.ts';

interface Component {
  readonly type: 'library' | 'application';
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses?: readonly { readonly expression: string }[];
}

const Locked = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      integrity: z.string().optional(),
      license: z.string().optional(),
    }),
  ),
});

/** The npm packages whose files went into bundles, as esbuild's metafiles name them. */
export function bundled(project: string, inputs: Iterable<string>): readonly Component[] {
  const { packages } = Locked.parse(
    JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')),
  );
  const folders = new Set<string>();
  for (const input of inputs) {
    const folder = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input)?.[0];
    if (folder !== undefined) folders.add(folder.slice(folder.indexOf('node_modules/')));
  }
  return [...folders].sort().map(folder => {
    const found = packages[folder];
    if (found?.version === undefined) throw new Error(`package-lock.json has no ${folder}`);
    const name = folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return npm({ name, version: found.version, integrity: found.integrity ?? '' }, found.license);
  });
}

export function npm({ name, version, integrity }: NpmPackage, license?: string): Component {
  const content = Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex');
  return {
    ...{ type: 'library', name, version, purl: `pkg:npm/${name.replace('@', '%40')}@${version}` },
    hashes: [{ alg: 'SHA-512', content }],
    ...(license !== undefined && { licenses: [{ expression: license }] }),
  };
}

/** What the image has of Debian, for one platform. */
export const debian = (lock: Lock, platform: keyof Lock['platforms']): readonly Component[] =>
  lock.platforms[platform].debian.map(({ name, version, sha256 }) => {
    const { id, version: release } = lock.distribution;
    const where = `arch=${platform.split('/')[1]}&distro=${id}-${release}`;
    return {
      ...{ type: 'library', name, version },
      purl: `pkg:deb/${id}/${name}@${encodeURIComponent(version)}?${where}`,
      hashes: [{ alg: 'SHA-256', content: sha256 }],
    };
  });

/** A bill of materials in CycloneDX's JSON form, without anything that changes from run to run. */
export function cycloneDx(
  subject: { readonly name: string; readonly version: string; readonly purl: string },
  timestamp: string,
  components: readonly Component[],
): string {
  const unique = new Map(components.map(component => [component.purl, component]));
  const listed = [...unique.values()].map(component => ({
    ...component,
    'bom-ref': component.purl,
  }));
  const document = {
    ...{ bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 },
    metadata: {
      timestamp,
      component: { type: 'application', ...subject, 'bom-ref': subject.purl },
    },
    components: listed,
    dependencies: [{ ref: subject.purl, dependsOn: listed.map(({ purl }) => purl) }],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

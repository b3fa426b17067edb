import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  ARCHITECTURES,
  CONFIGURATION,
  entrypoint,
  LIBRARIES,
  PLATFORMS,
} from '../../images/agent/contents.ts';
import { readLock } from '../../images/agent/lock.ts';
import { checkIntegrity } from '../../images/agent/packages.ts';
import { packagesOf } from '../../images/agent/relock.ts';
import project from '../../package.json' with { type: 'json' };

const dockerfile = readFileSync(
  new URL('../../images/agent/Dockerfile', import.meta.url),
  'utf8',
).replaceAll('\\\n', ' ');

/** The arguments of an instruction of the last stage. */
function instruction(name: string): string {
  const stage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
  const found = new RegExp(`^${name} (.*)$`, 'm').exec(stage)?.[1];
  if (found === undefined) throw new Error(`the Dockerfile's last stage has no ${name}`);
  return found.trim();
}

describe('the Dockerfile says what contents.ts says', () => {
  test('entry point, user and working directory', () => {
    expect(JSON.parse(instruction('ENTRYPOINT'))).toEqual(entrypoint(false));
    expect(instruction('USER')).toBe(CONFIGURATION.user);
    expect(instruction('WORKDIR')).toBe(CONFIGURATION.workingDirectory);
  });

  test('environment', () => {
    const pairs = Object.entries(CONFIGURATION.environment).map(pair => pair.join('='));
    expect(instruction('ENV')).toBe(pairs.join(' '));
  });

  test('labels and version', () => {
    const labels = [...instruction('LABEL').matchAll(/([\w.]+)="([^"]*)"/g)];
    expect(Object.fromEntries(labels.map(([, name, value]) => [name, value]))).toEqual({
      ...CONFIGURATION.labels,
      'org.opencontainers.image.version': '${' + 'VERSION}',
    });
    expect(instruction('ARG')).toBe(`VERSION=${project.version}`);
  });

  test('files come from the one program that knows them, and from nowhere else', () => {
    const stage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
    expect(stage.match(/^(?:COPY|ADD) .*$/gm)).toEqual(['COPY --from=build /rootfs/ /']);
    expect(dockerfile).toContain(
      'build-image.ts --platform "$TARGETPLATFORM" --rootfs /rootfs --no-snapshots',
    );
  });

  test('the stage that builds runs the Node of package.json', () => {
    expect(dockerfile).toContain(`ARG BUILD_IMAGE=node:${project.devDependencies.node}-`);
  });
});

describe('the lock', () => {
  const lock = readLock();

  test.each(PLATFORMS)('%s has the Node and the koffi of package.json', platform => {
    const { node, koffi } = lock.platforms[platform];
    expect([node.name, node.version]).toEqual([
      `node-${ARCHITECTURES[platform].node}`,
      project.devDependencies.node,
    ]);
    expect(koffi.version).toBe(project.devDependencies.koffi);
  });

  test.each(PLATFORMS)(
    '%s names a package for every library, of its own architecture',
    platform => {
      const { debian } = lock.platforms[platform];
      const names = debian.map(one => one.name);
      expect(names).toEqual(expect.arrayContaining(Object.keys(LIBRARIES)));
      const ending = `_${ARCHITECTURES[platform].debian}.deb`;
      expect(debian.filter(one => !one.file.endsWith(ending))).toEqual([]);
    },
  );

  test('a tarball of another content is refused', () => {
    const { koffi } = lock.platforms['linux/amd64'];
    expect(() => checkIntegrity(Buffer.from('something else'), koffi)).toThrow(
      /^@koromix\/koffi-linux-x64@\S+ is sha512-\S+, and the lock says sha512-/,
    );
  });

  test('what apt prints becomes entries below whichever mirror it names', () => {
    const sum = 'a'.repeat(64);
    const printed = [
      `'http://mirror/debian/pool/main/g/gcc-12/libstdc%2b%2b6_12.2.0-14%2bdeb12u1_amd64.deb' libstdc++6_12.2.0-14+deb12u1_amd64.deb 612604 SHA256:${sum}`,
      `'http://mirror/security/pool/main/g/glibc/libc6_2.36_amd64.deb' libc6_2.36_amd64.deb 27 SHA256:${sum}`,
      'W: a warning',
    ].join('\n');
    expect(packagesOf(printed, ['http://mirror/debian/', 'http://mirror/security/'])).toEqual([
      {
        name: 'libc6',
        version: '2.36',
        file: 'pool/main/g/glibc/libc6_2.36_amd64.deb',
        sha256: sum,
      },
      {
        name: 'libstdc++6',
        version: '12.2.0-14+deb12u1',
        file: 'pool/main/g/gcc-12/libstdc++6_12.2.0-14+deb12u1_amd64.deb',
        sha256: sum,
      },
    ]);
  });
});

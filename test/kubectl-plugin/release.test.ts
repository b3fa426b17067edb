import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { load } from 'js-yaml';
import { expect, test } from 'vitest';
import { readLock } from '../../images/agent/lock.ts';
import { readTar } from '../../images/agent/tar.ts';
import { tarGz, zip } from '../../kubectl-plugin/release/archives.ts';
import { archive, archiveName, TARGETS } from '../../kubectl-plugin/release/executables.ts';
import { signedAdHoc } from '../../kubectl-plugin/release/mach-signature.ts';
import { homebrewFormula, krewManifest } from '../../kubectl-plugin/release/manifests.ts';
import { statement } from '../../kubectl-plugin/release/provenance.ts';
import { bundled, cycloneDx, debian } from '../../kubectl-plugin/release/sbom.ts';
import { advisories, behind } from '../../kubectl-plugin/release/scan.ts';
import project from '../../package.json' with { type: 'json' };
import { PROJECT } from '../house/files.ts';

const program = {
  path: 'kubectl-gpu_mcp',
  mode: 0o755,
  content: Buffer.from('program '.repeat(99)),
};
const licence = { path: 'LICENSE', mode: 0o644, content: Buffer.from('licence\n') };

test('a tar.gz is the same whatever the order of its files', async () => {
  const packed = await tarGz([program, licence]);
  expect(await tarGz([licence, program])).toEqual(packed);
  expect([...readTar(gunzipSync(packed)).keys()]).toEqual(['LICENSE', 'kubectl-gpu_mcp']);
});

test('a zip is the same whatever the order, and another reader finds what was put in', async () => {
  const packed = await zip([program, licence]);
  expect(await zip([licence, program])).toEqual(packed);
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-zip-'));
  try {
    writeFileSync(join(folder, 'a.zip'), packed);
    const script =
      'import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print([(i.filename, oct(i.external_attr>>16), i.file_size) for i in z.infolist()])';
    const listed = execFileSync('python3', ['-c', script, join(folder, 'a.zip')]).toString();
    expect(listed.trim()).toBe(
      "[('LICENSE', '0o100644', 8), ('kubectl-gpu_mcp', '0o100755', 792)]",
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('an archive holds the program by the name that its platform starts', async () => {
  const unix = readTar(gunzipSync(await archive('darwin/arm64', program.content, [licence])));
  expect([...unix.keys()]).toEqual(['LICENSE', 'kubectl-gpu_mcp', 'kubectl_complete-gpu_mcp']);
  const windows = await archive('windows/amd64', program.content, [licence]);
  expect(windows.includes('kubectl-gpu_mcp.exe')).toBe(true);
});

const released = {
  version: '1.2.3',
  repository: 'owner/name',
  archives: new Map(
    TARGETS.map(target => [target, createHash('sha256').update(target).digest('hex')]),
  ),
};

test('the manifest for krew names each platform with its archive and sum, within krew’s limits', () => {
  const manifest = load(krewManifest(released));
  expect(manifest).toMatchObject({
    metadata: { name: 'gpu-mcp' },
    spec: {
      version: 'v1.2.3',
      shortDescription: expect.stringMatching(/^.{10,50}$/),
      description: expect.not.stringMatching(/.{81}/),
      platforms: TARGETS.map(target => ({
        selector: { matchLabels: { os: target.split('/')[0], arch: target.split('/')[1] } },
        uri: `https://github.com/owner/name/releases/download/v1.2.3/${archiveName(target, '1.2.3')}`,
        sha256: released.archives.get(target),
        bin: target.startsWith('windows') ? 'kubectl-gpu_mcp.exe' : 'kubectl-gpu_mcp',
      })),
    },
  });
});

test('the formula for Homebrew has macOS and Linux, each block closed', () => {
  const formula = homebrewFormula(released);
  expect(formula.match(/^ +url .*$/gm)).toHaveLength(4);
  expect(formula).not.toContain('windows');
  const opened = formula.match(/^\s*(?:class|def)\b|\bdo$/gm)?.length;
  expect(formula.match(/^\s*end$/gm)).toHaveLength(opened ?? 0);
});

test('a bill of materials names each package of a bundle with the sum of the lock file', () => {
  const components = bundled(PROJECT, ['node_modules/zod/index.js', 'src/cli/main.ts']);
  const debs = debian(readLock(), 'linux/arm64');
  const subject = { name: 'x', version: '1', purl: 'pkg:npm/x@1' };
  const bill: unknown = JSON.parse(
    cycloneDx(subject, '2026-01-01T00:00:00Z', [...components, ...debs]),
  );
  expect(bill).toMatchObject({
    bomFormat: 'CycloneDX',
    components: [
      {
        name: 'zod',
        version: project.devDependencies.zod,
        purl: `pkg:npm/zod@${project.devDependencies.zod}`,
        hashes: [{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) }],
        licenses: [{ expression: 'MIT' }],
      },
      ...debs.map(({ name }) => ({ name })),
    ],
  });
  expect(() => bundled(PROJECT, ['node_modules/no-such/a.js'])).toThrow('no-such');
});

test('the provenance has every file as a subject and the commit as what it was made from', () => {
  const from = { repository: 'o/n', version: '1.2.3', commit: 'c0ffee', isDryRun: true };
  const made: unknown = JSON.parse(statement(from, new Map([['a.tgz', 'aa']]), []));
  expect(made).toMatchObject({
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'a.tgz', digest: { sha256: 'aa' } }],
    predicate: {
      buildDefinition: {
        resolvedDependencies: [
          { uri: 'git+https://github.com/o/n@refs/tags/v1.2.3', digest: { gitCommit: 'c0ffee' } },
        ],
      },
    },
  });
});

test('a scan names what a newer version mends, and a source that was not asked is no clean bill', () => {
  const found = (severity: string, fixAvailable: unknown) => ({
    severity,
    range: '<2',
    fixAvailable,
  });
  const audit = {
    vulnerabilities: {
      mended: found('high', true),
      worse: found('critical', { name: 'worse', version: '2.0.0' }),
      open: found('critical', false),
      small: found('moderate', true),
    },
    metadata: { dependencies: { total: 9 } },
  };
  expect(advisories(JSON.stringify(audit))).toMatchObject({
    says: '4 of 9 packages have one',
    toMend: ['mended <2: high', 'worse <2: critical'],
  });
  expect(advisories('{"message":"405 Method Not Allowed"}')).toMatchObject({ isSilent: true });

  const { debian: libraries } = readLock().platforms['linux/amd64'];
  expect(behind('linux/amd64', libraries, libraries).toMend).toEqual([]);
  const [first, ...rest] = libraries;
  const moved = first && { ...first, version: '99' };
  expect(behind('x', libraries, moved ? [moved, ...rest] : rest).toMend).toEqual([
    `${first?.name} ${first?.version}: Debian has 99`,
  ]);
  expect(behind('x', libraries, rest).toMend).toHaveLength(1);
});

/** A Mach-O program of two segments and no code: header, __TEXT, __LINKEDIT, room for one command. */
function machO(): Buffer {
  const file = Buffer.alloc(0x5000, 1);
  file.fill(0, 0, 0x1000);
  for (const [index, field] of [0xfeedfacf, 0x0100000c, 0, 2, 2, 144, 0, 0].entries()) {
    file.writeUInt32LE(field, index * 4);
  }
  for (const [at, name, from, bytes] of [
    [32, '__TEXT', 0, 0x4000],
    [104, '__LINKEDIT', 0x4000, 0x1000],
  ] as const) {
    file.writeUInt32LE(0x19, at);
    file.writeUInt32LE(72, at + 4);
    file.write(name, at + 8);
    file.writeBigUInt64LE(BigInt(from), at + 40);
    file.writeBigUInt64LE(BigInt(bytes), at + 48);
  }
  return file;
}

test('a program for macOS gets a signature whose hashes are those of its pages', () => {
  const signed = signedAdHoc(machO(), 'x');
  // The third command points to what was appended, and __LINKEDIT reaches to its end.
  expect([16, 176, 184, 188].map(at => signed.readUInt32LE(at))).toEqual([
    3,
    0x1d,
    0x5000,
    signed.length - 0x5000,
  ]);
  expect(Number(signed.readBigUInt64LE(104 + 48))).toBe(signed.length - 0x4000);
  const directory = signed.subarray(0x5000 + 20);
  expect(directory.readUInt32BE(0)).toBe(0xfade0c02);
  const hashesAt = directory.readUInt32BE(16);
  const pages = [0, 1, 2, 3, 4].map(page =>
    createHash('sha256')
      .update(signed.subarray(page * 4096, (page + 1) * 4096))
      .digest(),
  );
  expect(directory.subarray(hashesAt)).toEqual(Buffer.concat(pages));
  expect(() => signedAdHoc(signed, 'x')).toThrow('signed already');
  expect(() => signedAdHoc(Buffer.alloc(64), 'x')).toThrow('not a 64-bit Mach-O program');
});

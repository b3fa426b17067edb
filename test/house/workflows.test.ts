import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import project from '../../package.json' with { type: 'json' };
import { filesUnder, PROJECT, read } from './files.ts';

const Step = z.object({ uses: z.string().optional(), run: z.string().optional() });
const Permissions = z.record(z.string(), z.enum(['read', 'write']));
const Workflow = z.object({
  permissions: Permissions,
  jobs: z.record(
    z.string(),
    z.object({
      'timeout-minutes': z.int(),
      permissions: Permissions,
      steps: z.array(Step),
    }),
  ),
});

const pages = filesUnder('.github/workflows');
const jobs = pages.flatMap(page =>
  Object.entries(Workflow.parse(load(read(page))).jobs).map(([name, job]) => ({
    name: `${page} ${name}`,
    ...job,
  })),
);
const steps = jobs.flatMap(job => job.steps);

describe('the workflows', () => {
  test('are there, and none has a right before a job takes it', () => {
    const names = ['ci', 'release', 'security'];
    expect(pages).toEqual(names.map(name => `.github/workflows/${name}.yml`));
    for (const page of pages) expect(Workflow.parse(load(read(page))).permissions).toEqual({});
  });

  test('write only where something is published, or findings about this repository are', () => {
    const writing = jobs.filter(({ permissions }) => Object.values(permissions).includes('write'));
    expect(writing.map(({ name }) => name)).toEqual([
      '.github/workflows/release.yml publish',
      '.github/workflows/security.yml codeql',
      '.github/workflows/security.yml scorecard',
    ]);
  });

  test('use actions by the hash of a commit, with its version beside', () => {
    const used = pages.flatMap(page => read(page).match(/^.*\buses:.*$/gm) ?? []);
    expect(used).toHaveLength(steps.filter(({ uses }) => uses !== undefined).length);
    expect(used.filter(line => !/@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual([]);
  });

  test('call scripts and files that exist', () => {
    const commands = steps.flatMap(({ run }) => run ?? []).join('\n');
    const scripts = [...commands.matchAll(/\bnpm run (\S+)/g)].map(([, name = '']) => name);
    expect(scripts).toContain('release');
    expect(scripts.filter(name => !Object.hasOwn(project.scripts, name))).toEqual([]);
    const files = [...commands.matchAll(/\bbash (\S+)/g)].map(([, path = '']) => path);
    expect(files).toEqual(['.ci/run']);
    expect(files.filter(path => !existsSync(join(PROJECT, path)))).toEqual([]);
  });

  test('take nothing from an event into a script: matrix, tokens and paths of steps are put in', () => {
    const put = pages.flatMap(page =>
      [...read(page).matchAll(/\$\{\{\s*([\w.-]+)/g)].map(([, name = '']) => name),
    );
    expect([...new Set(put)].sort()).toEqual([
      ...['github.ref', 'github.token', 'matrix.os', 'matrix.target'],
      'steps.attested.outputs.bundle-path',
    ]);
  });
});

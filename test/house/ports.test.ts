import { describe, expect, test } from 'vitest';
import { filesUnder, read } from './files.ts';
import { isUsedIn, methodsOf } from './ports.ts';

const sources = filesUnder('src')
  .filter(file => file.endsWith('.ts'))
  .map(file => ({ file, source: read(file) }));
const ports = sources.filter(({ file }) => file.endsWith('/port.ts'));

describe('what a port offers', () => {
  const methods = ports.flatMap(({ source }) => methodsOf(source));

  test('was found', () => {
    expect(methods).toContainEqual({ port: 'Host', name: 'processOwners' });
    expect(methods).toContainEqual({ port: 'Session', name: 'clusterView' });
    expect(methods).toContainEqual({ port: 'Nvml', name: 'warm' });
  });

  test('is called by someone in src', () => {
    const callers = sources.filter(({ file }) => !file.endsWith('/port.ts'));
    const idle = methods.filter(
      ({ name }) => !callers.some(({ source }) => isUsedIn(source, name)),
    );
    expect(idle).toEqual([]);
  });
});

describe('a method', () => {
  test.each([
    'export interface P { a(x: { b(): void }): c; }',
    'export interface P { readonly n: number; a?(): void; }',
    'export interface P { readonly a?: (x: number) => void; m: { b(): void } }',
  ])('is found: %s', source => {
    expect(methodsOf(source)).toEqual([{ port: 'P', name: 'a' }]);
  });

  test.each([
    ['host.a(1);', true],
    ['const { a } = host; a(1);', true],
    ['const wrapped = { a: x => host.a(x) };', false],
    ['class Real { async a(x) { return this.#a(x); } }', false],
    ["throw new Error('a');", false],
  ])('is used: %s %s', (source, used) => {
    expect(isUsedIn(source, 'a')).toBe(used);
  });
});

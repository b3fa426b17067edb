import { builtinModules } from 'node:module';
import { join } from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * Makes a bundled koffi load its native module from `koffi/PLATFORM/koffi.node` beside the bundle.
 *
 * koffi 3.3.4 (src/koffi/src/static.js) asks for the npm package of the platform, which a bundle
 * does not have. `import.meta.url` is the bundle's own place once the module is part of it.
 */
export const nativeKoffi = koffiLoadedBy(`
  import { createRequire } from 'node:module';
  const load = createRequire(import.meta.url);
  export const loadStatic = platform => load('./koffi/' + platform + '/koffi.node');
`);

/** The same where Node starts from a snapshot, which knows no file of its own: beside the program's. */
export const koffiOfProgram = koffiLoadedBy(`
  import { dirname, join } from 'node:path';
  export function loadStatic(platform) {
    const loaded = { exports: {} };
    process.dlopen(loaded, join(dirname(process.argv[1]), 'koffi', platform, 'koffi.node'));
    return loaded.exports;
  }
`);

/**
 * The same in a single executable, which carries the module as an asset. The loader wants a file: one in
 * a folder that only this user can enter, for the moment in which it is loaded.
 */
export const embeddedKoffi = koffiLoadedBy(`
  import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
  import { tmpdir } from 'node:os';
  import { join } from 'node:path';
  import { getRawAsset } from 'node:sea';
  export function loadStatic() {
    const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-'));
    try {
      const file = join(folder, 'koffi.node');
      writeFileSync(file, new Uint8Array(getRawAsset('koffi.node')), { mode: 0o500 });
      const loaded = { exports: {} };
      process.dlopen(loaded, file);
      return loaded.exports;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
`);

function koffiLoadedBy(contents: string): Plugin {
  return {
    name: 'native-koffi',
    setup(build) {
      build.onResolve({ filter: /^\.\/src\/static\.js$/ }, ({ path, importer }) =>
        /[\\/]koffi[\\/]src[\\/]koffi[\\/]/.test(importer)
          ? { path, namespace: 'native-koffi' }
          : null,
      );
      build.onLoad({ filter: /.*/, namespace: 'native-koffi' }, () => ({ loader: 'js', contents }));
    },
  };
}

/**
 * Loads Node's own modules when the code that asks for them is evaluated, not when the file is.
 *
 * In one file of ESM all `import ... from 'node:tls'` stand at the top and cost every start, also of
 * commands that never reach them: 30 ms of 65 ms, measured with client-node in the bundle.
 */
export const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup(build) {
    const builtins = new Set(builtinModules.flatMap(name => [name, `node:${name}`]));
    build.onResolve({ filter: /^[a-z0-9_:/]+$/ }, ({ path }) =>
      builtins.has(path)
        ? { path: path.replace(/^node:/, ''), namespace: 'builtin', sideEffects: false }
        : null,
    );
    build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      loader: 'js',
      contents: `module.exports = process.getBuiltinModule('node:${path}')`,
    }));
  },
};

/**
 * Leaves ajv out. Both lines of the SDK load it for elicitation and for a client's check of a server's answers;
 * neither is used here, both ends are given a validator of ours, and loading it costs 10 ms of the
 * 80 ms that a handshake takes.
 */
export const withoutAjv: Plugin = {
  name: 'without-ajv',
  setup(build) {
    const absent = `{
      getValidator() { throw new Error('this bundle has no ajv: pass a jsonSchemaValidator'); }
    }`;
    build.onLoad(
      { filter: /[\\/]sdk[\\/]dist[\\/]esm[\\/]validation[\\/]ajv-provider\.js$/ },
      () => ({ loader: 'js', contents: `export class AjvJsonSchemaValidator ${absent}` }),
    );
    build.onLoad({ filter: /[\\/]server[\\/]dist[\\/]shimsNode\.mjs$/ }, () => ({
      loader: 'js',
      contents: `
        export class DefaultJsonSchemaValidator ${absent}
        export { default as process } from 'node:process';
      `,
    }));
  },
};

/**
 * Leaves undici and the API of client-node out, 1 MB: it is only asked for an agent of node:https and for a
 * token of an OIDC provider (src/cluster/client-node.ts), never to send a request of its own.
 */
export const withoutRequests: Plugin = {
  name: 'without-requests',
  setup(build) {
    const absent = (what: string, names: string) => ({
      loader: 'js' as const,
      contents: `
        function absent() { throw new Error('this bundle has no ${what}'); }
        export { ${names.replaceAll(/\w+/g, 'absent as $&')} };
      `,
    });
    build.onLoad({ filter: /[\\/]node_modules[\\/]undici[\\/]index\.js$/ }, () =>
      absent('undici', 'Agent, ProxyAgent, fetch'),
    );
    build.onLoad({ filter: /[\\/]client-node[\\/]dist[\\/]gen[\\/]index\.js$/ }, () =>
      absent('API of client-node', 'createConfiguration, ServerConfiguration'),
    );
  },
};

/**
 * Reads dotted paths where client-node has all of JSONPath, 25 kB and expressions that are code: it is asked where a
 * token stands in what a command of an `auth-provider` printed, as `{.credential.access_token}` (gcp_auth.js, azure_auth.js).
 */
export const dottedPaths: Plugin = {
  name: 'dotted-paths',
  setup(build) {
    build.onLoad({ filter: /[\\/]jsonpath-plus[\\/]dist[\\/][\w-]+\.js$/ }, () => ({
      loader: 'js',
      contents: `
        export function JSONPath({ path, json }) {
          if (!/^\\$(?:\\.[\\w-]+)+$/.test(path)) throw new Error('not a dotted path: ' + path);
          const found = path.split('.').slice(1).reduce((part, key) => part?.[key], json);
          return found === undefined ? [] : [found];
        }
      `,
    }));
  },
};

/**
 * Reads an address that node:net has called one, where socks has 33 kB that also print, compare and explain it
 * (socks/build/common/helpers.js, client/socksclient.js).
 */
export const plainAddresses: Plugin = {
  name: 'plain-addresses',
  setup(build) {
    build.onLoad(
      { filter: /[\\/]node_modules[\\/]ip-address[\\/]dist[\\/]ip-address\.js$/ },
      () => ({
        loader: 'js',
        contents: `
        const hex = number => number.toString(16).padStart(4, '0');
        const pair = (high, low) => hex(high * 256 + low);
        const parts = text => (text ? text.split(':') : []);
        export class Address4 {
          constructor(text) { this.text = text; }
          toArray() { return this.text.split('.').map(Number); }
        }
        export class Address6 {
          constructor(text) {
            const plain = text.replace(/%.*/, '').replace(/[^:]*\\.[^:]*$/, last => {
              const [a, b, c, d] = new Address4(last).toArray();
              return pair(a, b) + ':' + pair(c, d);
            });
            const [head, tail] = plain.split('::').map(parts);
            const zeros = tail ? Array(8 - head.length - tail.length).fill('0') : [];
            this.groups = [...head, ...zeros, ...(tail ?? [])].map(group => hex(parseInt(group, 16)));
          }
          canonicalForm() { return this.groups.join(':'); }
          static fromByteArray(bytes) {
            return new Address6([0, 2, 4, 6, 8, 10, 12, 14].map(at => pair(bytes[at], bytes[at + 1])).join(':'));
          }
        }
      `,
      }),
    );
  },
};

/**
 * Counts characters instead of terminal columns where yargs lays out its help, which is ASCII here.
 * string-width compiles the set of all emoji when it is loaded: 10 ms of every start.
 */
export const asciiWidth: Plugin = {
  name: 'ascii-width',
  setup(build) {
    build.onLoad({ filter: /[\\/]string-width[\\/]index\.js$/ }, () => ({
      loader: 'js',
      contents: 'export default text => [...text].length;',
    }));
  },
};

/** The form of jsonc-parser that a bundler can look into; its main file asks for parts at run time. */
export const jsoncAsModule: Plugin = {
  name: 'jsonc-as-module',
  setup(build) {
    build.onResolve({ filter: /^jsonc-parser$/ }, ({ resolveDir }) =>
      build.resolve('jsonc-parser/lib/esm/main.js', { resolveDir, kind: 'import-statement' }),
    );
  },
};

/** Puts unchecked-zod.ts in zod's place. */
export const uncheckedZod: Plugin = {
  name: 'unchecked-zod',
  setup(build) {
    const path = join(import.meta.dirname, 'unchecked-zod.ts');
    build.onResolve({ filter: /^zod$/ }, () => ({ path, sideEffects: false }));
  },
};

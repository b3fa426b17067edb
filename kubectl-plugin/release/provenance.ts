/** What a release was made from. */
interface BuiltFrom {
  readonly repository: string;
  readonly version: string;
  readonly commit: string;
  readonly isDryRun: boolean;
}

interface Part {
  readonly purl: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

/**
 * What was made of what, as an in-toto statement with SLSA's provenance (version 1 of both). It is not
 * signed: the workflow of a release has the platform attest the same files and signs that.
 */
export function statement(
  { repository, version, commit, isDryRun }: BuiltFrom,
  sums: ReadonlyMap<string, string>,
  parts: readonly Part[],
): string {
  const address = `https://github.com/${repository}`;
  const source = { uri: `git+${address}@refs/tags/v${version}`, digest: { gitCommit: commit } };
  const unique = new Map(parts.map(part => [part.purl, part]));
  const foreign = [...unique.values()].map(({ purl, hashes = [] }) => ({
    uri: purl,
    digest: Object.fromEntries(
      hashes.map(({ alg, content }) => [alg.replace('-', '').toLowerCase(), content]),
    ),
  }));
  const document = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [...sums].map(([name, sha256]) => ({ name, digest: { sha256 } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: `${address}/blob/v${version}/kubectl-plugin/release/main.ts`,
        externalParameters: { repository, ref: `refs/tags/v${version}` },
        resolvedDependencies: [source, ...foreign],
      },
      runDetails: {
        builder: {
          id: `${address}/${isDryRun ? 'dry-run' : `blob/v${version}/.github/workflows/release.yml`}`,
        },
      },
    },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

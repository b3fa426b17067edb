import table from './node-images.json' with { type: 'json' };

/**
 * By the table of such images, best by its digest, which nobody else can come to bear. Both names are of the
 * publisher's repository: what another one calls the same image proves nothing.
 */
export function chosenImage(images: readonly (readonly string[])[]): string | undefined {
  const named = images.map(names => names.flatMap(partsOf));
  for (const { names, tags } of table.images) {
    const [repositories, wanted] = [new RegExp(names), new RegExp(tags)];
    // The kubelet reports the largest first.
    for (const parts of named.toReversed()) {
      const fit = parts.find(
        ({ repository, tag }) => repositories.test(repository) && wanted.test(tag),
      );
      if (!fit) continue;
      const own = parts.filter(({ repository }) => repository === fit.repository);
      return (own.find(({ isDigest }) => isDigest) ?? fit).name;
    }
  }
  return undefined;
}

interface Parts {
  readonly name: string;
  readonly repository: string;
  readonly tag: string;
  readonly isDigest: boolean;
}

/** `docker.io/library/busybox` and `1.36` of `docker.io/library/busybox:1.36`. */
function partsOf(name: string): Parts[] {
  const [, repository, tag = '', digest] =
    /^([\w.-]+(?::\d+)?(?:\/[\w.-]+)+)(?::([\w][\w.-]{0,127}))?(@sha256:[0-9a-f]{64})?$/.exec(
      name,
    ) ?? [];
  return repository === undefined
    ? []
    : [{ name, repository, tag, isDigest: digest !== undefined }];
}

import table from './node-images.json' with { type: 'json' };

/** By the table of such images, best by its digest, which nobody else can come to bear. */
export function chosenImage(images: readonly (readonly string[])[]): string | undefined {
  const named = images.map(names => ({ names, ...partsOf(names) }));
  for (const { names, tags } of table.images) {
    const [repositories, wanted] = [new RegExp(names), new RegExp(tags)];
    // The kubelet reports the largest first.
    const fit = named.findLast(
      ({ repository, tag }) =>
        repository !== undefined && repositories.test(repository) && wanted.test(tag),
    );
    if (fit) return fit.names.find(name => /^[^<]+@sha256:/.test(name)) ?? fit.names[0];
  }
  return undefined;
}

/** `library/busybox` and `1.36` of `docker.io/library/busybox:1.36`. */
function partsOf(names: readonly string[]): { repository: string | undefined; tag: string } {
  const isTagged = (name: string) => /:[\w][\w.-]{0,127}$/.test(name) && !name.includes('@');
  const name = names.find(isTagged) ?? names.find(one => /^[^<>]+@sha256:/.test(one));
  const [, repository, tag = ''] =
    /^(.*?)(?::([\w][\w.-]*))?(?:@sha256:[0-9a-f]+)?$/.exec(name ?? '') ?? [];
  return {
    repository: repository?.replace(/^[^/]*[.:][^/]*\//, '').replace(/^localhost\//, ''),
    tag,
  };
}

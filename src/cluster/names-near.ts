import { type ClusterError, ours, ServerError, told } from '../contract/errors.ts';
import { namesLike } from '../contract/names-like.ts';
import { shell } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import type { ApiServer } from './http.ts';
import { objectAt, textOf } from './json.ts';
import { listAll } from './list.ts';

type Api = Pick<ApiServer, 'object' | 'settings'>;

interface Named {
  /** Of the API: `/apis/batch/v1`. */
  readonly path: string;
  readonly kind: string;
  readonly plural: string;
  readonly name: string;
}

/** Where else there is one of that name, or names like it in this namespace; undefined where neither. */
export async function namesNear(
  api: Api,
  { path, kind, plural, name }: Named,
  signal: AbortSignal,
): Promise<{ readonly hint: string; readonly foreign: readonly string[] } | undefined> {
  const { namespace } = api.settings;
  const list = (within: string, query: Readonly<Record<string, string>>) =>
    listAll(
      api,
      { path: `${path}${within}/${plural}`, query, kind: `${kind}List`, doing: `list ${plural}` },
      signal,
    ).catch(() => []);
  const [here, all] = await Promise.all([
    list(`/namespaces/${encodeURIComponent(namespace)}`, {}),
    list('', { fieldSelector: `metadata.name=${name}` }),
  ]);
  const of = (objects: readonly unknown[], key: string) =>
    objects.map(object => plainText(textOf(objectAt(object, 'metadata'), key), 120));
  const elsewhere = of(
    all.filter(object => textOf(objectAt(object, 'metadata'), 'name') === name),
    'namespace',
  );
  const [other] = elsewhere;
  if (other !== undefined && other !== namespace)
    return { hint: `-n ${other}: there is one of that name`, foreign: [other] };
  const alike = namesLike(name, of(here, 'name'));
  if (alike.length === 0) return undefined;
  return { hint: `did you mean ${alike.join(' or ')}?`, foreign: alike };
}

/** Of a pod that is not there, with what is like it. */
export async function noSuchPod(
  api: Api,
  name: string,
  signal: AbortSignal,
): Promise<ClusterError> {
  const { namespace } = api.settings;
  const near = await namesNear(api, { path: '/api/v1', kind: 'Pod', plural: 'pods', name }, signal);
  return new ServerError(
    told`pod "${ours(name)}" was not found in namespace "${ours(namespace)}"`,
    near ?? { hint: shell`kubectl get pods -n ${namespace}; or -n with its namespace` },
  );
}

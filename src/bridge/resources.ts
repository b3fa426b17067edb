import { ResourceNotFoundError } from '@modelcontextprotocol/server';
import { plainText } from '../contract/untrusted.ts';

/** What of a node can be read as a resource, and the tool that answers. */
const PARTS: Readonly<Record<string, string>> = {
  triage: 'triage_gpu_node',
  inventory: 'get_gpu_inventory',
  health: 'get_gpu_health',
  timeline: 'get_gpu_timeline',
  report: 'get_incident_report',
};

export const PART_NAMES = Object.keys(PARTS);

/** A call whose answer a resource is. */
interface ResourceCall {
  readonly tool: string;
  readonly input: Readonly<Record<string, string>>;
}

export const RESOURCE_TEMPLATES = [
  {
    uriTemplate: 'gpu://{node}/{part}',
    name: 'gpu-node',
    title: 'A GPU node now',
    description: `One of ${PART_NAMES.join(', ')}; reading it asks the node.`,
    mimeType: 'application/json',
  },
  {
    uriTemplate: 'xid://{code}',
    name: 'xid',
    title: 'What an XID means',
    description: 'From the catalogue of this program: no node is asked.',
    mimeType: 'application/json',
  },
];

/** Where snapshots are kept: there are none of what is replayed. */
export const SNAPSHOT_TEMPLATE = {
  uriTemplate: 'snapshot://{name}',
  name: 'snapshot',
  title: 'A snapshot of capture_node',
  description: 'A bundle, as `kubectl gpu-mcp capture` writes it to a file. No node is asked.',
  mimeType: 'application/gzip',
};

/** Where the bytes of a snapshot can be read, for the answer that made it. */
export const snapshotLink = (name: string, size: number) => ({
  type: 'resource_link' as const,
  ...{ uri: `snapshot://${encodeURIComponent(name)}`, name, size },
  mimeType: SNAPSHOT_TEMPLATE.mimeType,
});

/** The snapshot that an address names; undefined where it names something else. */
export const snapshotName = (uri: string): string | undefined =>
  decoded(/^snapshot:\/\/([^/?#]{1,400})$/.exec(uri)?.[1] ?? '%');

export const noSnapshot = (name: string): string =>
  `there is no snapshot "${plainText(name, 80)}"; compare_snapshots says which there are`;

/** Of nodes that were named at the start, their triage. Nothing is started by the list. */
export const listedResources = (targets: readonly string[]) =>
  targets.map(node => ({
    uri: `gpu://${encodeURIComponent(node)}/triage`,
    name: `${node} triage`,
    mimeType: 'application/json',
  }));

/** The call behind a resource's address. @throws ResourceNotFoundError for one that names nothing here. */
export function resourceCall(uri: string): ResourceCall {
  const [, scheme, first = '', part] =
    /^(gpu|xid):\/\/([^/?#]{1,300})(?:\/([a-z]{1,40}))?\/?$/.exec(uri) ?? [];
  const name = decoded(first);
  if (scheme === 'xid' && part === undefined && name !== undefined) {
    return { tool: 'explain_xid', input: { query: name } };
  }
  const tool = PARTS[part ?? 'triage'];
  if (scheme === 'gpu' && tool !== undefined && name !== undefined) {
    return { tool, input: { node: name } };
  }
  throw new ResourceNotFoundError(
    uri,
    `there is no resource "${plainText(uri, 120)}"; there are gpu://NODE/{${PART_NAMES.join('|')}} and xid://CODE`,
  );
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

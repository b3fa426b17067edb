import { mapReading, missing, present, type Reading } from '../../contract/reading.ts';
import { LINK_ERRORS, type NvLink, type NvLinks } from '../readings/links.ts';
import { mapEach } from '../readings/row.ts';
import { NVLINK_DEVICES, NVLINK_STATES, NVLINK_VERSIONS } from '../table/enums.ts';
import { type FieldAsk, type FieldName, fieldNumber } from '../table/field-ids.ts';
import type { Handle } from '../table/shapes.ts';
import { type Asker, fieldOf } from './ask.ts';
import { andThen, named, pciOf } from './steps.ts';

/** More than nvml.h knows (NVML_NVLINK_MAX_LINKS is 36): no answer of a driver. */
const LINKS_MAX = 72;

/**
 * The links of one GPU with their state and errors: two calls for the fields of all links, and two
 * for each link's other end.
 *
 * How many links there are is the device's word: indexes that have no state are not wired. (A B200
 * calls 36 indexes capable and has 18 links.)
 *
 * @param options.ends also where each link ends
 */
export function readNvLinks(
  ask: Asker,
  gpu: Handle,
  options: { readonly ends: boolean },
): Reading<NvLinks> {
  const count = ask.field(gpu, 'nvlinkCount');
  if (!count.ok) return count;
  const indexes = Math.min(count.value, LINKS_MAX);
  if (indexes === 0) return present({ indexes: 0, links: [] });
  const all = Array.from({ length: indexes }, (_, link) => link);
  const states = statesOf(ask, gpu, all);
  const wired = states.filter(({ state }) => state.ok || !isNoLink(state));
  const errors = errorsOf(ask, gpu, wired);
  // One kind of call after the other: a series costs the child fewer words.
  const ends = options.ends ? wired : [];
  const types = ends.map(({ link }) => remoteTypeOf(ask, gpu, link));
  const addresses = ends.map(basics => remotePciOf(ask, gpu, basics));
  const links = wired.map((basics, place) => ({
    ...basics,
    remoteType: types[place] ?? missing('not_read'),
    remotePci: addresses[place] ?? missing('not_read'),
    errors: errors[place] ?? NO_ERRORS,
  }));
  return present({ indexes, links });
}

type Basics = Pick<NvLink, 'link' | 'state' | 'version' | 'speedMbps'>;

const BASIC_FIELDS = ['nvlinkState', 'nvlinkVersion', 'nvlinkSpeed'] as const;

function statesOf(ask: Asker, gpu: Handle, links: readonly number[]): Basics[] {
  const read = fieldsOfLinks(ask, gpu, links, BASIC_FIELDS);
  // Drivers before R515 have calls of their own instead of these fields.
  const older = links.every(link => isNoLink(read('nvlinkState', link)));
  return links.map(link => ({
    link,
    state: mapReading(
      older ? ask.call('deviceGetNvLinkState', gpu, link) : read('nvlinkState', link),
      state => NVLINK_STATES[state] ?? 'inactive',
    ),
    version: named(
      older ? ask.call('deviceGetNvLinkVersion', gpu, link) : read('nvlinkVersion', link),
      NVLINK_VERSIONS,
    ),
    speedMbps: read('nvlinkSpeed', link),
  }));
}

/** What a driver says of an index that is no link of this GPU. */
const isNoLink = (reading: Reading<unknown>): boolean =>
  !reading.ok && (reading.reason === 'not_supported' || reading.reason === 'invalid_argument');

const remoteTypeOf = (ask: Asker, gpu: Handle, link: number): NvLink['remoteType'] =>
  mapReading(
    ask.call('deviceGetNvLinkRemoteDeviceType', gpu, link),
    type => NVLINK_DEVICES[type] ?? 'unknown',
  );

/** A link that is down has no other end. */
const remotePciOf = (ask: Asker, gpu: Handle, { link, state }: Basics): Reading<string> =>
  state.ok && state.value === 'inactive'
    ? missing('invalid_state', 'the link is down')
    : andThen(ask.call('deviceGetNvLinkRemotePciInfo', gpu, link), pciOf);

/** Links of a generation have counters of their own; those of the other are not supported. */
function errorsOf(ask: Asker, gpu: Handle, links: readonly Basics[]): NvLink['errors'][] {
  const versions = links.flatMap(({ version }) => (version.ok ? [Number(version.value)] : []));
  const generation = versions.some(version => version >= 5) ? 'from 5' : 'up to 4';
  const fields = Object.values(LINK_ERRORS).flatMap(row =>
    row.generation === generation ? row.fields : [],
  );
  const numbers = links.map(({ link }) => link);
  const read = fieldsOfLinks(ask, gpu, numbers, fields);
  return numbers.map(link =>
    mapEach(LINK_ERRORS, row =>
      row.generation === generation ? firstOf(row.fields, link, read) : NOT_SUPPORTED,
    ),
  );
}

/** The first of these fields that the driver knows of this link. */
function firstOf(fields: readonly FieldName[], link: number, read: ReadField): Reading<number> {
  let reading: Reading<number> = NOT_SUPPORTED;
  for (const field of fields) {
    reading = read(field, link);
    if (!isNoLink(reading)) break;
  }
  return reading;
}

const NOT_SUPPORTED = missing('not_supported');
const NO_ERRORS = mapEach(LINK_ERRORS, () => NOT_SUPPORTED);

type ReadField = (field: FieldName, link: number) => Reading<number>;

/** Fields of many links in one call; nvml.h numbers some for the first twelve links only. */
function fieldsOfLinks(
  ask: Asker,
  gpu: Handle,
  links: readonly number[],
  fields: readonly FieldName[],
): ReadField {
  const asks: FieldAsk[] = links
    .flatMap(scope => fields.map(field => ({ field, scope })))
    .filter(ask => fieldNumber(ask) !== undefined);
  const readings = ask.call('deviceGetFieldValues', gpu, asks);
  return (field, link) =>
    fieldNumber({ field, scope: link }) === undefined
      ? missing('not_supported', 'nvml.h has no field for this link')
      : fieldOf(readings, asks, { field, scope: link });
}

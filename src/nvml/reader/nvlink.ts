import { mapReading, missing, present, type Reading } from '../../contract/reading.ts';
import {
  LINK_ERRORS,
  type NvLink,
  type NvLinks,
  type NvLinkTraffic,
  TRAFFIC,
} from '../readings/links.ts';
import { mapEach } from '../readings/row.ts';
import { NVLINK_DEVICES, NVLINK_STATES, NVLINK_VERSIONS } from '../table/enums.ts';
import { ALL_LINKS, type FieldAsk, type FieldName, fieldNumber } from '../table/field-ids.ts';
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
  const quality = qualityOf(ask, gpu, wired);
  // One kind of call after the other: a series costs the child fewer words.
  const ends = options.ends ? wired : [];
  const types = ends.map(({ link }) => remoteTypeOf(ask, gpu, link));
  const addresses = ends.map(basics => remotePciOf(ask, gpu, basics));
  const links = wired.map((basics, place) => ({
    ...basics,
    remoteType: types[place] ?? missing('not_read'),
    remotePci: addresses[place] ?? missing('not_read'),
    ...(quality[place] ?? NO_QUALITY),
  }));
  return present({ indexes, links });
}

const TRAFFIC_ASKS: readonly FieldAsk[] = Object.values(TRAFFIC.nvlinkTraffic.members).map(
  ({ field }) => ({ field, scope: ALL_LINKS }),
);

export function readNvLinkTraffic(ask: Asker, gpu: Handle): NvLinkTraffic {
  const readings = ask.call('deviceGetFieldValues', gpu, TRAFFIC_ASKS);
  return mapEach(TRAFFIC.nvlinkTraffic.members, ({ field }) =>
    fieldOf(readings, TRAFFIC_ASKS, { field, scope: ALL_LINKS }),
  );
}

type Basics = Pick<NvLink, 'link' | 'state' | 'version' | 'speedMbps'>;

const BASIC_FIELDS = ['nvlinkState', 'nvlinkVersion', 'nvlinkSpeed'] as const;

function statesOf(ask: Asker, gpu: Handle, links: readonly number[]): Basics[] {
  const read = fieldsOfLinks(ask, gpu, links, BASIC_FIELDS);
  // Drivers before R515 have calls of their own instead of these fields.
  const older = links.every(link => isNoLink(read('nvlinkState', link)));
  return links.map(link => ({
    link,
    state: andThen(
      older ? ask.call('deviceGetNvLinkState', gpu, link) : read('nvlinkState', link),
      stateOf,
    ),
    version: named(
      older ? ask.call('deviceGetNvLinkVersion', gpu, link) : read('nvlinkVersion', link),
      NVLINK_VERSIONS,
    ),
    speedMbps: read('nvlinkSpeed', link),
  }));
}

/** A state of tomorrow is not known to be up, nor to be down. */
function stateOf(number: number): NvLink['state'] {
  const state = NVLINK_STATES[number];
  return state === undefined ? missing('unreadable', `state ${number}`) : present(state);
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

/** Every counter is asked for of every link: those that a link has not are not supported. */
function qualityOf(ask: Asker, gpu: Handle, links: readonly Basics[]): Quality[] {
  const numbers = links.map(({ link }) => link);
  const read = fieldsOfLinks(ask, gpu, numbers, QUALITY_FIELDS);
  return numbers.map(link => ({
    effectiveBer: andThen(read('nvlinkEffectiveBer', link), berOf),
    symbolBer: andThen(read('nvlinkSymbolBer', link), berOf),
    errors: mapEach(LINK_ERRORS, ({ fields }) => firstOf(fields, link, read)),
  }));
}

type Quality = Pick<NvLink, 'effectiveBer' | 'symbolBer' | 'errors'>;

const QUALITY_FIELDS: readonly FieldName[] = [
  ...Object.values(LINK_ERRORS).flatMap(({ fields }) => fields),
  ...(['nvlinkEffectiveBer', 'nvlinkSymbolBer'] as const),
];

/** nvml.h: bits 0 to 7 are the negative exponent of ten, bits 8 to 11 the mantissa. */
const berOf = (word: number): Reading<number> =>
  present(Number(`${(word >>> 8) & 0xf}e-${word & 0xff}`));

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
const NO_QUALITY: Quality = {
  effectiveBer: NOT_SUPPORTED,
  symbolBer: NOT_SUPPORTED,
  errors: mapEach(LINK_ERRORS, () => NOT_SUPPORTED),
};

type ReadField = (field: FieldName, link: number) => Reading<number>;

/** Fields of many links in one call; nvml.h numbers some for the first twelve links only. */
function fieldsOfLinks(
  ask: Asker,
  gpu: Handle,
  links: readonly number[],
  fields: readonly FieldName[],
): ReadField {
  const asks = asksOf(links, fields);
  const readings = ask.call('deviceGetFieldValues', gpu, asks);
  return (field, link) =>
    fieldNumber({ field, scope: link }) === undefined
      ? missing('not_supported', 'nvml.h has no field for this link')
      : fieldOf(readings, asks, { field, scope: link });
}

const asksOfLinks = new Map<string, readonly FieldAsk[]>();

/** What nvml.h has of these fields, worked out once for GPUs that are wired alike. */
function asksOf(links: readonly number[], fields: readonly FieldName[]): readonly FieldAsk[] {
  const key = `${links} ${fields}`;
  const known = asksOfLinks.get(key);
  if (known) return known;
  const asks = links
    .flatMap(scope => fields.map(field => ({ field, scope })))
    .filter(ask => fieldNumber(ask) !== undefined);
  asksOfLinks.set(key, asks);
  return asks;
}

import type { Quarantine, QuarantineEvent } from '../contract/cluster-view.ts';
import { optional } from '../contract/optional.ts';
import { missing, present, type Reading } from '../contract/reading.ts';
import { isoTime } from '../contract/time.ts';
import { plainText } from '../contract/untrusted.ts';
import { answeredJson, isObject, type Json, textOf, textsOf } from './json.ts';

/** NVIDIA/NVSentinel, fault-quarantine/pkg/common/common.go. */
const ANNOTATION = 'quarantineHealthEvent';
const EVENTS_MAX = 16;
const LIST_MAX = 16;

/**
 * NVSentinel's annotation of a node: HealthEvents as Go writes them (data-models/pkg/protos), a list of
 * those that are not over (healthEventsAnnotation, MarshalJSON), in old versions one. Anybody who may
 * write to the node can write it. Undefined where there is none.
 */
export function readQuarantine(metadata: unknown): Reading<Quarantine> | undefined {
  const text = textsOf(isObject(metadata) ? metadata['annotations'] : undefined)[ANNOTATION];
  if (text === undefined || text === '') return undefined;
  const found = answeredJson(text);
  const all = Array.isArray(found) ? found : [found];
  const events = all.filter(isObject).map(lowerCased);
  const kept = events.filter(event => event['ishealthy'] !== true);
  if (events.length < all.length || !kept.every(isOfForm)) {
    return missing('unreadable', 'the annotation quarantineHealthEvent is of another form');
  }
  const leftOut = Math.max(0, kept.length - EVENTS_MAX);
  return present({ events: kept.slice(0, EVENTS_MAX).map(eventOf), leftOut });
}

/** One that names neither its check nor what it found says nothing that can be told. */
const isOfForm = (event: Json): boolean =>
  [textOf(event, 'checkname'), textOf(event, 'message'), ...texts(event['errorcode'])].some(
    text => text !== '',
  );

/** Go reads names of fields in any case, and tests of its own write them so. */
const lowerCased = (json: Json): Json =>
  Object.fromEntries(Object.entries(json).map(([key, value]) => [key.toLowerCase(), value]));

function eventOf(event: Json): QuarantineEvent {
  return {
    check: plainText(textOf(event, 'checkname'), 64),
    codes: texts(event['errorcode']),
    entities: listOf(event['entitiesimpacted'])
      .filter(isObject)
      .map(lowerCased)
      .map(each => `${textOf(each, 'entitytype')}:${textOf(each, 'entityvalue')}`)
      .map(each => plainText(each, 64)),
    ...optional({ action: actionOf(event), since: timeOf(event['generatedtimestamp']) }),
    message: plainText(textOf(event, 'message'), 300),
  };
}

const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value.slice(0, LIST_MAX) : [];

const texts = (value: unknown): string[] =>
  listOf(value).flatMap(each => (typeof each === 'string' ? [plainText(each, 64)] : []));

/** data-models/protobufs/health_event.proto, RecommendedAction, of all versions: Go writes the number. */
const ACTIONS: Readonly<Record<number, string>> = {
  0: 'NONE',
  2: 'COMPONENT_RESET',
  5: 'CONTACT_SUPPORT',
  6: 'RUN_FIELDDIAG',
  15: 'RESTART_VM',
  24: 'RESTART_BM',
  25: 'REPLACE_VM',
  26: 'RUN_DCGMEUD',
  27: 'CUSTOM',
  28: 'REMEDIATE',
  39: 'RESTART_APP',
  99: 'UNKNOWN',
};
const RECOMMENDS_NOTHING: readonly string[] = ['', 'NONE', 'UNKNOWN'];

function actionOf(event: Json): string | undefined {
  const given = event['recommendedaction'];
  const name =
    typeof given === 'number'
      ? (ACTIONS[given] ?? `action ${given}`)
      : textOf(event, 'recommendedaction');
  // What that is stands in a field of its own.
  const action = name === 'CUSTOM' ? textOf(event, 'customrecommendedaction') : name;
  return RECOMMENDS_NOTHING.includes(action) ? undefined : plainText(action, 64);
}

/** A Timestamp of protobuf, as Go writes it: `{"seconds": 1772365210, "nanos": 0}`. */
function timeOf(value: unknown): string | undefined {
  const seconds = isObject(value) ? value['seconds'] : undefined;
  return typeof seconds === 'number' && Number.isInteger(seconds) && seconds > 0 && seconds < 4e9
    ? isoTime(seconds * 1_000)
    : undefined;
}

import { missing, present, type Reading } from '../../contract/reading.ts';
import type { Ask, Form, Row } from '../readings/row.ts';
import type { Handle } from '../table/shapes.ts';
import type { Asker } from './ask.ts';
import { andThen, counted, named, plain } from './steps.ts';

/** A reading whose row says how it is asked for, or a group of such readings. */
export function readStated(row: Row, ask: Asker, gpu: Handle): unknown {
  const { ask: stated, otherwise, members = {} } = row;
  if (!stated) {
    return Object.fromEntries(
      Object.entries(members).map(([name, member]) => [name, readStated(member, ask, gpu)]),
    );
  }
  const first = answered(stated, ask, gpu);
  if (!otherwise || first.ok || first.reason !== 'not_supported') return first;
  const second = answered(otherwise, ask, gpu);
  return second.ok ? second : first;
}

function answered(stated: Ask, ask: Asker, gpu: Handle): Reading<unknown> {
  const answer =
    'field' in stated
      ? ask.field(gpu, stated.field, stated.scope)
      : ask.ask(stated.call, [gpu, ...stated.inputs]);
  return andThen(answer, (value: unknown) => formed(value, stated.form));
}

function formed(value: unknown, form: Form): Reading<unknown> {
  if (typeof form === 'object') {
    if ('member' in form) return formed(Object(value)[form.member], 'number');
    if ('members' in form) return present(recordOf(Object(value), form.members));
    return typeof value === 'number' ? named(present(value), form.words) : NO_SUCH_VALUE;
  }
  if (form === 'length') return Array.isArray(value) ? present(value.length) : NO_SUCH_VALUE;
  if (form === 'text') return typeof value === 'string' ? plain(present(value)) : NO_SUCH_VALUE;
  if (typeof value === 'bigint') return counted(present(value));
  if (typeof value !== 'number') return NO_SUCH_VALUE;
  return present(form === 'flag' ? value !== 0 : value);
}

const recordOf = (
  values: Readonly<Record<string, unknown>>,
  members: Extract<Form, { readonly members: unknown }>['members'],
) =>
  Object.fromEntries(
    Object.entries(members).map(([name, { member, form }]) => {
      const amount = Number(values[member]);
      return [name, form === 'flag' ? amount !== 0 : amount];
    }),
  );

/** The compiler sees to it that no row asks for what its function does not give. */
const NO_SUCH_VALUE = missing('unreadable');

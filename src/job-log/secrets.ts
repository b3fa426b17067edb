import { MAY_HOLD_SECRET, SECRETS } from './secret-forms.ts';

/** What a shell prints before it runs it (set -x): its arguments have no names. */
const SHELL_LINE = /^\s{0,8}\+{1,20} (?!Exception Group)\S/;
/** A line of a PEM file (RFC 7468: 64 characters each), as a program prints it whole. */
const KEY_LINE = /^\s{0,8}(?:[A-Za-z0-9+/]{60,76}={0,2})\s*$/;

/** So much of a line is looked at behind what may be the name of its secret. */
const SECRET_CHARACTERS = 300;

/** Whether a line holds a secret that has its name in what stands at its beginning: `db_password1: hunter2`. */
export function namesSecret(begin: string, rest: string): boolean {
  if (!MAY_HOLD_SECRET.test(begin)) return false;
  const value = rest.slice(0, SECRET_CHARACTERS);
  const whole = withoutSecrets(`${begin}${value}`);
  return whole !== `${begin}${value}` && !whole.endsWith(withoutSecrets(value));
}

/**
 * Anything that is quoted of a log goes through here: the values of what is called a secret are left out, and what
 * has the form of one. A secret without a name and in no form that is known stays.
 */
export function withoutSecrets(text: string): string {
  if (SHELL_LINE.test(text)) return '(a line of a shell that may hold a secret)';
  if (KEY_LINE.test(text)) return '(a line that may be of a key)';
  if (!MAY_HOLD_SECRET.test(text)) return text;
  return SECRETS.reduce((said, secret) => said.replace(secret, '$1(left out)'), text);
}

/** What a shell prints before it runs it (set -x): its arguments have no names. */
const SHELL_LINE = /^\s{0,8}\+{1,20} (?!Exception Group)\S/;
/** A line of a PEM file (RFC 7468: 64 characters each), as a program prints it whole. */
const KEY_LINE = /^\s{0,8}(?:[A-Za-z0-9+/]{60,76}={0,2})\s*$/;

/** What a secret is called; a token of a tokenizer, and how many or which one, is none. */
const STRONG =
  '(?:secret(?!ar)|passwo?r?d|passphrase|passcode|(?<!ward)_pass(?![a-z])|[_-]pwd(?![a-z])|(?<![a-z])pwd(?=\\\\?["\']?\\s?[:=]\\s?\\\\?["\']?[^\\s/"\'])|(?:api|access|wandb|account|private|client|encryption|signing|auth|ssh)[ _-]?key|credentials?(?![a-z])|(?:set-)?cookie(?![a-z]))';
const TOKEN =
  'token(?!s(?![a-z_])|s?[_-]?(?:id|type|count|len|num|per|embed|mask|prob|logit|loss|level)|i[sz]|s_)';
/** `token: x` alone is of a parser: its value has to look like one, or its name to be of more words. */
const OF_WORDS = `(?<=[a-z0-9][_-])${TOKEN}`;
const REST = '[\\w-]{0,60}\\\\{0,3}["\']?\\s{0,4}';
/** With what closes it, or all that follows where nothing does; a JSON text within one escapes its signs. */
const VALUE =
  '(?:\\\\{1,3}"[^"]*(?:"|$)|\\$?"(?:[^"\\\\]|\\\\.)*(?:"|$|\\\\$)|\\$?\'(?:[^\'\\\\]|\\\\.)*(?:\'|$|\\\\$)|[^\\s"\']\\S*)';
/** `Bearer `, as of RFC 9110. */
const SCHEME = '(?:bearer|basic|token|digest|negotiate|apikey)';

/** Each keeps its first group, and leaves out what follows. */
const SECRETS: readonly RegExp[] = [
  new RegExp(
    `(authorization\\\\{0,3}["']?\\s{0,4}[:=]\\s{0,4}\\\\{0,3}["']?(?:${SCHEME}\\s{1,4})?)[^\\s"'\\\\]+`,
    'gi',
  ),
  /(\bbearer\s{1,4})(?=[^\s"'\\]{0,200}[\d.])[^\s"'\\]{8,}/gi,
  // User information of a URL of any scheme (RFC 3986, 3.2.1); `git@` is everybody's.
  /(\b[a-z][a-z0-9+.-]{0,20}:\/\/(?:[^\s/:@]{0,100}:)?)(?!git@|\d{1,5}(?:\/|\s|$))[^\s/"']{1,2000}(?=@)/gi,
  /(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s/:@]{0,100}:)(?!\d{1,5}(?:[/?\s]|$)|\(left out\)@)[^\s@"']{1,2000}(?=@)/gi,
  /([?&](?:sig|signature|key|code)=)[^&\s"']+/gi,
  new RegExp(`((?:${STRONG}|${TOKEN})${REST}(?::=|=>|=(?!=))\\s{0,4})${VALUE}`, 'gi'),
  new RegExp(`((?:${STRONG}|${OF_WORDS})${REST}:(?![=:])\\s{0,4})${VALUE}`, 'gi'),
  new RegExp(`(${TOKEN}[\\w-]{0,60}\\\\{0,3}["']\\s{0,4}:\\s{0,4})${VALUE}`, 'gi'),
  new RegExp(`(${TOKEN}:\\s{0,4})(?=\\S{0,100}\\d)[\\w.-]{16,}`, 'gi'),
  new RegExp(
    `((?<=(?:^|[\\s"'\\[])--?[\\w-]{0,60})(?:${STRONG}|${TOKEN})[\\w-]{0,60}["',]{0,3}\\s{1,4})(?!-)${VALUE}`,
    'gi',
  ),
  /(\s(?:-u|--user|--proxy-user)[\s=]\s{0,4}[^\s:]{1,100}:)\S+/gi,
  /(\b(?:sshpass|login\b.{0,200}?)\s{1,4}-p\s?)\S+/gi,
  /(\bmysql\w{0,20}\b.{0,200}?\s-p)[^\s-]\S*/gi,
  /(\bauthorization\b.{0,40}?\bbasic\s{1,4})[^\s"'\\]+/gi,
  /(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----).*/gi,
  // In a sentence: `the password is x`, `password "x"`, and `API key x` where x looks like one.
  /(\b(?:password|passphrase|passcode|passwd)\s{1,4}(?:is|was)\s{1,4}["'`]?)(?!(?:not|too|in|required|wrong|missing|empty|expired|incorrect|invalid|set)\b)[^\s"'`]+/gi,
  /(\b(?:password|passphrase|passcode|passwd)\s{1,4}["'`])[^"'`]{4,200}(?=["'`])/gi,
  /((?:\b|_)(?:(?:api|access|secret|auth|account|private|encryption|license)[ _-]?keys?|token|secret|credentials?)\s{1,4}(?:(?:is|was|of|to|value|provided|given|supplied|used):?\s{1,4})?["'`(]?)(?!\/)(?=[\w/+=-]{0,80}\d)(?=[\w/+=-]{0,80}[A-Za-z])[\w/+=-]{16,}/gi,
  // By their form, whatever they are called: Hugging Face, OpenAI, GitHub, GitLab, Slack,
  // NVIDIA, AWS, npm, PyPI, Databricks, Google, Replicate, a webhook, a JWT (RFC 7519).
  /()\b(?:hf_[A-Za-z0-9]{16,}|sk-[\w-]{16,}|gh[opsur]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|nvapi-[\w-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}\b|npm_[A-Za-z0-9]{36}|pypi-AgEI[\w-]{16,}|dapi[0-9a-f]{32}|AIza[\w-]{35}|ya29\.[\w-]{16,}|r8_[A-Za-z0-9]{16,}|hooks\.slack\.com\/\S+|discord(?:app)?\.com\/api\/webhooks\/\S+|eyJ[\w-]{8,}\.[\w-]{8,}[\w.-]*)/g,
];
const MAY_HOLD_SECRET =
  /secret|token|pass|pwd|key|credential|authoriz|bearer|cookie|:\/\/|[?&]sig|\s-u\s|--(?:proxy-)?user|hf_|sk-|gh[opsur]_|github_pat|glpat-|xox|nvapi-|AKIA|ASIA|eyJ|npm_|pypi-|dapi|AIza|ya29|r8_|hooks|\slogin\s|mysql/i;

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

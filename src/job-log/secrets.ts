/** How programs and people write a secret down: what it is called, what stands between, and what one looks like. */

/** A count or a time behind what may be the name of a secret as well. */
const NUMBER =
  '[\\w-]{0,40}["\']?\\s?(?:[:=|]|\\.{3,80})\\s{0,4}["\']?-?\\d[\\d.,]{0,9}%?["\']?(?:[\\s,;)}\\]|]|$)';

/** What a secret is called. */
const STRONG = `(?:${[
  'secret(?!ar)',
  'passwo?r?d',
  'pass(?:phrase|code|key)',
  `(?<!ward)_pass(?![a-z]|${NUMBER})`,
  '(?<=\\b(?:db|user|my|admin|root)\\.)pass(?![a-z])',
  '[_-]pwd(?![a-z])',
  '(?<![a-z])pwd(?=\\\\?["\']?\\s?[:=]\\s?\\\\?["\']?[^\\s/"\'])',
  // A password; of plane waves it is a number.
  '(?<![a-z])pw(?=\\\\?["\']?\\s?[:=]\\s?\\\\?["\']?(?![\\d.]{1,12}(?:\\s|$))[^\\s/"\'])',
  '(?:api|access|secret|wandb|account|private|client|encryption|signing|auth|ssh|license|munge|hmac|storage|fernet|unseal)[ ._-]?key',
  '(?<![a-z])(?:credentials?|creds)(?![a-z])',
  '(?:jsession|phpsess)id|sessionid(?==)',
  '(?:set-)?cookie(?![a-z])',
].join('|')})`;

/** A token of a tokenizer, and how many or which one, is none; nor is a small number. */
const TOKEN = `token(?!s(?![a-z_])|s?[_-]?(?:id|type|count|len|num|per|embed|mask|prob|logit|loss|level|limit|budget|ratio|rate|acc|usage|throughput|time|latency)|i[sz]|s_|${NUMBER})`;
/** A token of a text by what it is there for: `pad_token: <pad>`, `time_per_token: 3`. */
const OF_TEXT =
  '(?:pad|bos|eos|eod|eot|unk|mask|cls|sep|image|img|video|audio|vision|speech|special|next|first|last|new|prev|previous|stop|start|end|begin|num|max|min|per|each|single|any|input|output|prompt|draft|decode|prefill|generated|accepted|rejected|total|bad|forced|cumulative|target|cached|pending|eval|train|avg|mean|used|free)';
/** `token: x` alone is of a parser: its value has to look like one, or its name to be of more words. */
const OF_WORDS = `(?<=[a-z0-9][_-])(?<!(?<![a-z])${OF_TEXT}[_-])${TOKEN}`;
const NAME = `(?:${STRONG}|${OF_WORDS})`;
const ANY_NAME = `(?:${STRONG}|(?<!(?<![a-z])${OF_TEXT}[_-])${TOKEN})`;

/** What ends a name: a sign of a quote, a bracket of `[auth-token]: `. */
const END = '\\\\{0,3}["\'`]?[\\])}>]?["\']?';
const REST = `[\\w-]{0,60}${END}\\s{0,4}`;

/** Words that stand where a secret would, and say that there is none. */
const NO_VALUE =
  '(?!\\(left out\\)|(?:b?["\']{2}|["\']?(?:none|null|nil|undefined|unset|true|false|yes|no|\\*{2,40}|<\\|?\\/?[a-z_]{1,16}\\|?>)["\']?)(?=[\\s,;.)\\]}|]|$)|(?:not|invalid|missing|required|expired|incorrect|wrong|empty|failed|denied|rejected|revoked|must|cannot|could|unable|check|verify|please|provide|(?:pre)?authentication)(?=[\\s,;.)]|$))';
/** With what closes it, or all that follows where nothing does; a JSON text within one escapes its signs. */
const VALUE = `${NO_VALUE}(?:${[
  '(?:"""|\'\'\').*?(?:"""|\'\'\'|$)',
  '\\\\{1,3}"[^"]*(?:"|$)',
  '[$bruf]{0,2}"(?:[^"\\\\]|\\\\.)*(?:"|$|\\\\$)',
  "[$bruf]{0,2}'(?:[^'\\\\]|\\\\.)*(?:'|$|\\\\$)",
  // A call that gives it back, or holds it: `os.environ.get('X', 'y')`, `SecretStr('x')`.
  '[A-Za-z_][\\w.]{0,60}\\((?:[^()"\']|"[^"]*"|\'[^\']*\')*\\)?',
  '(?:!{1,2}\\w{1,20}\\s{1,4})?[^\\s"\']\\S*',
].join('|')})`;
/** In a cell of a table, or a row of names and values. */
const CELL = `${NO_VALUE}[^\\s|│┃║][^\\s|│┃║]{0,2000}`;
/** What nobody writes but for a secret: letters and digits, and many of them. */
const LOOKS_LIKE_ONE = '(?=[\\w/+=.-]{0,80}\\d)(?=[\\w/+=.-]{0,80}[A-Za-z])[\\w/+=.-]{16,}';

/** `Bearer `, as of RFC 9110. */
const SCHEME = '(?:bearer|basic|token|digest|negotiate|apikey)';
const PASSWORD = '\\b(?:password|passphrase|passcode|passwd)';

const form = (...parts: readonly string[]): RegExp => new RegExp(parts.join(''), 'gi');

/** Behind its name. */
const NAMED: readonly RegExp[] = [
  // Of several words.
  form('(\\bpassphrase["\']?\\s?[:=]\\s{0,4})(?!["\'])', `${NO_VALUE}\\S.*`),
  form('(\\bcredentials?\\s?[:=]\\s{0,4})', '[^\\s/]{1,60}\\s?\\/\\s?[^\\s/]+'),
  form(
    `(authorization\\\\{0,3}["']?\\s{0,4}[:=,]\\s{0,4}\\\\{0,3}(?:b?["'])?(?:${SCHEME}(?:\\s{1,4}|%20))?)`,
    '[^\\s"\'\\\\]+',
  ),
  // Of a function's arguments, a dataclass and a help text: `hf_token: str = 'x'`, `hf_token (str): x`, `(default: x)`.
  form(`(${NAME}${REST}:\\s{0,4}[\\w.[\\] |]{1,40}?\\s{0,4}=\\s{0,4})`, VALUE),
  form(`(${NAME}${REST}\\([^()]{1,40}\\)\\s{0,4}[:=]\\s{0,4})`, VALUE),
  form(
    `(${NAME}${REST}(?:[A-Z_]{1,40}\\s{1,4})?[([](?:default|current|value|env)\\w{0,2}[:=]?\\s{0,4})`,
    '(?!none\\b)[^\\s()\\]]+',
  ),
  form(`(${ANY_NAME}${REST}(?::=|=>|=(?!=))\\s{0,4})`, VALUE),
  form(`(${NAME}${REST}->\\s{0,4})`, VALUE),
  form(`((?:secret|password|token|account\\.key|secret\\.key)\\.[\\w.-]{1,80}\\s?=\\s?)`, VALUE),
  form(`(${NAME}${REST}:(?![=:])\\s{0,4})`, VALUE),
  form(`(${TOKEN}[\\w-]{0,60}\\\\{0,3}["']\\s{0,4}:\\s{0,4})`, VALUE),
  form(`(${TOKEN}:\\s{0,4})(?=\\S{0,100}\\d)[\\w.-]{16,}`),
  form(
    `((?<=(?:^|[\\s"'\\[])--?[\\w-]{0,60})${ANY_NAME}[\\w-]{0,60}["',]{0,3}\\s{1,4})(?!-)`,
    VALUE,
  ),
  // A cell beside its name, and a row of a list of settings: by a bar, by dots, by blanks.
  form(`(${NAME}[\\w-]{0,60}\\s{0,60}[|│┃║]\\s{0,4})`, CELL),
  form(`(\\b${TOKEN}\\s{0,60}[|│┃║]\\s{0,4})`, LOOKS_LIKE_ONE),
  form(`(^\\W{0,8}[\\w.-]{0,60}${NAME}[\\w-]{0,20}(?:\\s?\\.{3,80}\\s?|\\s{2,80}|\\t))`, CELL),
  form(`(^\\s{0,8}[a-z][\\w-]{0,20}(?:\\.[\\w-]{1,40}){1,6}?\\.?${STRONG}\\s{1,80})`, CELL),
  form('(^\\s{0,8}(?:requirepass|masterauth)\\s{1,8})', VALUE),
  form(`(\\b(?:ENV|ARG|setx|setenv)\\s{1,4}\\w{0,60}${NAME}\\w{0,60}\\s{1,4})`, VALUE),
  // A pair, and a name and a value apart: `('api_key', 'x')`, `{"name": "DB_PASSWORD", "value": "x"}`.
  form(`(\\(b?["'][\\w.-]{0,60}${NAME}[\\w-]{0,60}["'],\\s{0,4})`, VALUE),
  form(
    `(\\b(?:name|key|variable)["']?\\s?[:=]\\s?["']?[\\w.-]{0,60}${NAME}[\\w-]{0,60}["']?,?\\s{1,4}["']?value["']?\\s?[:=]\\s?)`,
    '(?:"[^"]*"?|\'[^\']*\'?|[^\\s"\'{}]+)',
  ),
  form(`(<[\\w:-]{0,60}${ANY_NAME}[\\w-]{0,20}>)`, '[^<\\s][^<]*'),
  form('(["\']auth["\']\\s?:\\s?["\'])', '[\\w+/=-]{6,}'),
  form('(\\b(?:HTTP\\w{1,12}Auth|auth\\s?=\\s?)\\(\\s?["\'][^"\']{0,100}["\'],\\s?)', VALUE),
  form(`(\\b[A-Z][A-Z\\d_]{0,60}_(?:KEY|PAT)["']?\\s?[=:]\\s?["']?)`, LOOKS_LIKE_ONE),
  form('((?<!cache[ _-])\\bkey["\']?(?:\\s{0,2}[:=]\\s{0,2}|\\s{1,4})["\']?)', '[0-9a-f]{32,}\\b'),
  // A pass that is no number and no result.
  form(
    '((?<![\\w-])pass["\']?\\s?[:=]\\s{0,4})(?!\\s{0,4}["\']?(?:[\\d.,]{1,9}|ok|done|all|fail\\w{0,4}|pass\\w{0,4}|skip\\w{0,4})["\']?(?=[\\s,;)}\\]%]|$))',
    VALUE,
  ),
];

/** Where it stands in an address or a command. */
const PLACED: readonly RegExp[] = [
  /(\bbearer\s{1,4})(?=[^\s"'\\]{0,200}[\d.])[^\s"'\\]{8,}/gi,
  // User information of a URL of any scheme (RFC 3986, 3.2.1); `git@` is everybody's.
  /(\b[a-z][a-z0-9+.-]{0,20}:\/\/(?:[^\s/:@]{0,100}:)?)(?!git@|\d{1,5}(?:\/|\s|$))[^\s/"']{1,2000}(?=@)/gi,
  /(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s/:@]{0,100}:)(?!\d{1,5}(?:[/?\s]|$)|\(left out\)@)[^\s@"']{1,2000}(?=@)/gi,
  /([?&](?:[\w-]{0,20}sig(?:nature)?|key|code|auth)=)[^&\s"']+/gi,
  /((?:^|\s)(?:-u|--user|--proxy-user)[\s=]\s{0,4}[^\s:]{1,100}:)(?!\/\/|\d{1,6}(?:\s|$))\S+/gi,
  /(\bcurl\b.{0,200}?\s-u["']?[^\s:"'-][^\s:]{0,100}:)\S+/gi,
  /(\b(?:sshpass|login\b.{0,200}?)\s{1,4}-p\s?)\S+/gi,
  /(\bSSHPASS=)\S+/gi,
  /(\bmysql\w{0,20}\b.{0,200}?\s-p)[^\s-]\S*/gi,
  /(\bauthorization\b.{0,40}?\bbasic\s{1,4})[^\s"'\\]+/gi,
  /((?:\bauth\s?[=:]\s?["']?|\bbasic auth\s{1,4})(?!\d)[^\s:"'/]{1,60}:)[^\s:"'/]+/gi,
  /(\bcookie:?\s{1,4}[\w-]{1,40}=)[^\s;]+/gi,
  /(\b(?:client_assertion|code_verifier)=)[^&\s"']+/gi,
  /(\bredis-cli\b.{0,200}?\s-a\s{1,4})\S+/gi,
  /(\bmc\s{1,4}(?:alias set|config host add)(?:\s{1,4}\S{1,200}){3}\s{1,4})\S+/gi,
  /(\bjdbc:oracle:\w{1,10}:[^\s/@]{1,60}\/)[^\s@]+(?=@)/gi,
  /(\bapi\.telegram\.org\/bot\d{1,12}:)[\w-]+/gi,
  /(\bDigest\b.{0,300}?\bresponse=["']?)[^"',\s]+/gi,
  /(\bSignature=)[0-9a-f]{32,}/gi,
  // netrc(5), and what wandb writes there.
  /((?:^\s{0,8}|\bmachine\s{1,4}\S{1,200}\s{1,4})login\s{1,4}[^\s,]{1,100}\s{1,4}password\s{1,4})\S+/gi,
  /(\bwandb\b.{0,120}?\b(?:login|key|netrc)\b.{0,80}?)\b[0-9a-f]{40}\b/gi,
  /(\$oauthtoken["']?\s{1,4})[\w-]{16,}/gi,
  /(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----).*/gi,
];

/** In a sentence: `the password is x`, `password "x"`, and `API key x` where x looks like one. */
const SAID: readonly RegExp[] = [
  form(
    `(${PASSWORD}\\s{1,4}(?:(?:is|was)(?:\\s{1,4}set\\s{1,4}to)?|set\\s{1,4}to)\\s{1,4}["'\`]?)`,
    '(?!(?:not|too|in|required|wrong|missing|empty|expired|incorrect|invalid|set|stored|sent|read)\\b)[^\\s"\'`]+',
  ),
  form(`(${PASSWORD}\\s{1,4}["'\`])[^"'\`]{4,200}(?=["'\`])`),
  form(`(${PASSWORD}\\s{1,4}(?:for|of)\\s{1,4}\\S{1,80}:\\s{1,4})\\S{1,200}\\s*$`),
  form(
    `(${PASSWORD}\\s{1,4}(?:for|of)\\s{1,4}(?:user\\s{1,4})?\\S{1,80}\\s{1,4}is\\s{1,4}["']?)`,
    `${NO_VALUE}[^\\s"']+`,
  ),
  form(`(${PASSWORD}\\s{1,4})(?=[^\\s:=]{0,60}\\d)(?=[^\\s:=]{0,60}[A-Za-z])[^\\s:="'()]{6,}`),
  form(`(^\\s{0,8}${PASSWORD}\\s{1,4})(?=\\S{0,60}[\\d_$!@#%^&*+=~])\\S+\\s*$`),
  form(
    '((?:\\b|_)(?:(?:api|access|secret|auth|account|private|encryption|license)[ ._-]?keys?|token|secret|credentials?)\\s{1,4}(?:(?:is|was|of|to|value|provided|given|supplied|used):?\\s{1,4})?["\'`(]?)(?!\\/)',
    '(?=[\\w/+=-]{0,80}\\d)(?=[\\w/+=-]{0,80}[A-Za-z])[\\w/+=-]{16,}',
  ),
];

/**
 * By its form, whatever it is called: Hugging Face, OpenAI, Anthropic, GitHub, GitLab, Slack, NVIDIA, AWS, npm, PyPI,
 * Databricks, Google, Replicate, Stripe, Docker, DigitalOcean, SendGrid, Pulumi, Vault, Azure, Groq, LangSmith, Pinecone,
 * Atlassian, wandb, age, a webhook, a JWT (RFC 7519) and other JSON in base64.
 */
const BY_FORM = new RegExp(
  `()\\b(?:${[
    /hf_[A-Za-z0-9]{16,}|api_org_[A-Za-z0-9]{16,}|sk-[\w-]{16,}|[sr]k_(?:live|test)_\w{16,}|gsk_\w{20,}|xai-\w{20,}|pplx-\w{20,}/,
    /gh[opsur]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|gl(?:pat|dt|rt|cbt|ptt|soat|ft|imt|agent)-[\w-]{16,}/,
    /xox[abeoprs]-[\w-]{10,}|xapp-\d-[\w-]{10,}|nvapi-[\w-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}\b|npm_[A-Za-z0-9]{36}|pypi-AgEI[\w-]{16,}/,
    /dapi[0-9a-f]{32}|AIza[\w-]{35}|ya29\.[\w-]{16,}|GOCSPX-[\w-]{16,}|r8_[A-Za-z0-9]{16,}|dckr_[op]at_[\w-]{16,}/,
    /do[opr]_v1_[0-9a-f]{32,}|SG\.[\w-]{16,}\.[\w-]{16,}|pul-[0-9a-f]{40}|hv[bsr]\.[\w-]{20,}|[\w.-]{3}8Q~[\w.~-]{30,}/,
    /lsv2_[ps][kt]_\w{16,}|pcsk_\w{16,}|lin_api_\w{16,}|figd_[\w-]{16,}|tfp_\w{16,}|ATATT3x[\w=-]{20,}|wandb_v1_\w{16,}|AGE-SECRET-KEY-1\w{20,}/,
    /hooks\.slack\.com\/\S+|discord(?:app)?\.com\/api\/webhooks\/\S+|eyJ[\w-]{8,}\.[\w-]{8,}[\w.-]*|eyJ[\w+/=-]{60,}/,
  ]
    .map(({ source }) => source)
    .join('|')})`,
  'g',
);

/** Each keeps its first group, and leaves out what follows. */
const SECRETS: readonly RegExp[] = [...NAMED, ...PLACED, ...SAID, BY_FORM];

/** One of these stands in each line that holds one. */
const MAY_HOLD_SECRET =
  /secret|token|pass|pwd|(?:\b|_)pw|key|cred|auth|bearer|cookie|sess\w{0,3}id|_pat\b|assertion|verifier|digest|signature|telegram|oracle|redis-cli|\bmc\s|:\/\/|[?&][\w-]{0,20}sig|\s-u|--(?:proxy-)?user|^-u\s|hf_|api_org|[sr]k_|sk-|gh[opsur]_|github_pat|gl[a-z]{2,5}-|xox|xapp|xai-|pplx|nvapi-|AKIA|ASIA|eyJ|npm_|pypi-|dapi|AIza|ya29|GOCSPX|r8_|dckr|_v1_|SG\.|pul-|hv[bsr]\.|8Q~|lsv2_|pcsk_|lin_api|figd_|tfp_|ATATT|hooks|\slogin\s|mysql/i;

/** What a shell prints before it runs it (set -x): its arguments have no names. */
const SHELL_LINE = /^\s{0,8}\+{1,20} (?!Exception Group)\S/;
/** A program that is started, and of its arguments none that could be one: options, numbers, words, files. */
const STARTED =
  /^\s{0,8}\+{1,20} (?:exec )?(?:\S{0,100}\/)?(?:python[\d.]{0,6}|torchrun|accelerate|deepspeed|srun|mpirun|mpiexec|bash|sh|cd|mkdir|ls|nvidia-smi|ray|vllm)(?: (?:--?[a-z][a-z-]{0,40}(?:[= ](?:[\d.e+-]{1,12}|[a-z]{1,12}))?|[\d.e+-]{1,12}|[a-z]{1,12}|[\w./-]{0,100}\.(?:py|sh|json|ya?ml|toml)))*\s*$/;
/** A line of a PEM file (RFC 7468: 64 characters each), as a program prints it whole. */
const KEY_LINE = /^\s{0,8}(?:[A-Za-z0-9+/]{60,76}={0,2})\s*$/;

/** So much of a line is looked at behind what may be the name of its secret. */
const SECRET_CHARACTERS = 64;

/** Whether a line holds a secret that has its name in what stands at its beginning: `db_password1: hunter2`. */
export function namesSecret(begin: string, rest: string): boolean {
  if (!NAMES_ONE.test(begin)) return false;
  const value = rest.slice(0, SECRET_CHARACTERS);
  const whole = `${begin}${value}`;
  return NAMED.some(secret => {
    secret.lastIndex = 0;
    const [found = '', name = ''] = secret.exec(whole) ?? [];
    const at = secret.lastIndex - found.length;
    secret.lastIndex = 0;
    return found !== '' && at < begin.length && at + name.length >= begin.trimEnd().length;
  });
}
const NAMES_ONE = /secret|token|pass|pwd|key|cred|auth|cookie|sess\w{0,3}id|(?:\b|_)pw|_pat\b/i;

/**
 * Anything that is quoted of a log goes through here: the values of what is called a secret are left out, and what
 * has the form of one. A secret without a name and in no form that is known stays.
 */
export function withoutSecrets(text: string): string {
  if (SHELL_LINE.test(text) && !STARTED.test(text))
    return '(a line of a shell that may hold a secret)';
  if (KEY_LINE.test(text)) return '(a line that may be of a key)';
  if (!MAY_HOLD_SECRET.test(text)) return text;
  return SECRETS.reduce((said, secret) => said.replace(secret, '$1(left out)'), text);
}

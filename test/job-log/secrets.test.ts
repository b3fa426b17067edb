import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { withoutSecrets } from '../../src/job-log/secrets.ts';

const OUT = '(left out)';

const linesOf = (file: string) =>
  readFileSync(new URL(file, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n');

test.each([
  ['api_key: hunter2', `api_key: ${OUT}`],
  ['AWS_SECRET_ACCESS_KEY: hunter2', `AWS_SECRET_ACCESS_KEY: ${OUT}`],
  ['password:  hunter2 x', `password:  ${OUT} x`],
  ['secret => hunter2', `secret => ${OUT}`],
  ['DB_PWD=hunter2', `DB_PWD=${OUT}`],
  ['pwd=hunter2 failed', `pwd=${OUT} failed`],
  ['MYSQL_PASS=hun,ter;2)x y', `MYSQL_PASS=${OUT} y`],
  ['passphrase=hunter2', `passphrase=${OUT}`],
  ['private_key: hunter2', `private_key: ${OUT}`],
  ['AccountKey=hunter2==', `AccountKey=${OUT}`],
  ["export TOKEN=$'hunter 2'", `export TOKEN=${OUT}`],
  ['hf-token: hunter2', `hf-token: ${OUT}`],
  [String.raw`{"password":"it\"hunter2","a":1}`, `{"password":${OUT},"a":1}`],
  [
    String.raw`{"msg":"{\"password\":\"hunter 2\",\"a\":1}"}`,
    String.raw`{"msg":"{\"password\":${OUT},\"a\":1}"}`,
  ],
  ['password="hunter 2', `password=${OUT}`],
  ['train.py: error: unrecognized arguments: --wandb-token hunter2', undefined],
  ['run --password hunter2 --lr 1', `run --password ${OUT} --lr 1`],
  ['args: ["--hf-token", "hunter2"]', `args: ["--hf-token", ${OUT}]`],
  ['curl -u me:hunter2 x', `curl -u me:${OUT} x`],
  ['postgresql://u:hunter2@db/x', `postgresql://u:${OUT}@db/x`],
  ['redis://:hunter2@r:6379', `redis://:${OUT}@r:6379`],
  ['mongodb+srv://u:p@hunter2@h/x', `mongodb+srv://u:${OUT}@h/x`],
  ['https://u:p/hunter2@h', `https://u:${OUT}@h`],
  ['https://hunter2@github.com/x', `https://${OUT}@github.com/x`],
  ['https://x/c?sv=1&sig=hunter2&x=1', `https://x/c?sv=1&sig=${OUT}&x=1`],
  ['Bearer hunter2.abc failed', `Bearer ${OUT} failed`],
  ['Authorization: hunter2', `Authorization: ${OUT}`],
  ['{"Authorization": "Bearer hunter2"}', `{"Authorization": "Bearer ${OUT}"}`],
  ['-----BEGIN RSA PRIVATE KEY-----\\nhunter2', `-----BEGIN RSA PRIVATE KEY-----${OUT}`],
  ['hunter2A'.repeat(8), '(a line that may be of a key)'],
  ['with hf_hunter2hunter2hunter2 it fails', `with ${OUT} it fails`],
  ['the password is hunter2 for now', `the password is ${OUT} for now`],
  ["login failed, password was 'hunter2'", `login failed, password was '${OUT}'`],
  ['Invalid API key hunter2hunter2hunter2 given', `Invalid API key ${OUT} given`],
  ['the token `hunter2hunter2hunter2` has expired', `the token \`${OUT}\` has expired`],
  ['aws_secret_access_key hunter2/Utn+hunter2hunter2=', `aws_secret_access_key ${OUT}`],
  ['Incorrect API key provided: hunter2hunter2hunter2.', `Incorrect API key provided: ${OUT}.`],
  ['Set COMET_API_KEY to hunter2hunter2hunter2', `Set COMET_API_KEY to ${OUT}`],
  ['client_secret is hunter2hunter2hunter2', `client_secret is ${OUT}`],
  ['client-key-data: hunter2', `client-key-data: ${OUT}`],
  ["gpg passphrase 'hunter2' wrong", `gpg passphrase '${OUT}' wrong`],
  ['docker login -u bob -p hunter2 x', `docker login -u bob -p ${OUT} x`],
  ['mysql -u root -phunter2', `mysql -u root -p${OUT}`],
  ["Authorization header 'Basic hunter2' refused", `Authorization header 'Basic ${OUT}' refused`],
  ['at https://hooks.slack.com/services/T/B/hunter2', `at https://${OUT}`],
  [`npm_${'hunter2'.repeat(5)}x failed`, `${OUT} failed`],
  [`AIza${'hunter2'.repeat(5)} failed`, `${OUT} failed`],
  ['+++++ curl hunter2', '(a line of a shell that may hold a secret)'],
])('%s', (line, without) => {
  const said = withoutSecrets(line);
  expect(said).not.toContain('hunter2');
  if (without !== undefined) expect(said).toBe(without);
});

/** As people and programs write them: tables, settings, help texts, environments, files of tools, addresses, commands, headers. */
test.each(linesOf('secret-spellings.txt'))('a secret in %s', line => {
  expect(withoutSecrets(line)).not.toMatch(/hunter2|9f3a7c1e/);
});

test.each(linesOf('no-secrets.txt'))('what holds no secret stays: %s', line => {
  expect(withoutSecrets(line)).toBe(line);
});

test('a word in a line of a shell may be a secret where one is named', () => {
  expect(withoutSecrets('+ python train.py --password swordfish')).not.toContain('swordfish');
  expect(withoutSecrets('+ python train.py --mode fast')).toContain('--mode fast');
});

test('a name that a label takes off a line leaves no secret behind', () => {
  for (const line of ['[auth-token]: hunter2', 'password | hunter2', '[x] api_key => hunter2']) {
    const text = `${`${line}\n`.repeat(8)}RuntimeError: no route for hunter\n${line}`;
    const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
    expect(JSON.stringify(readJobLog({ ...asked, text, cut: false }))).not.toContain('hunter2');
  }
});

test.each([
  'ValueError: bad token',
  'Unexpected token: expected ]',
  'max_tokens=4096 pad_token_id=0 tokenizer=gpt2 num_tokens: 12',
  '--tokenizer gpt2 --max-tokens 12',
  'PWD=/root OLDPWD=/x',
  'git+https://github.com/org/repo@main',
  'ssh://git@github.com/x',
  'https://host:8080/path@x y',
  'forward_pass: 3.2 ms',
  'KeyError: "token"',
  'docker run -p 8080:80 x, login to node gpu-7',
  'mysql -u root --protocol tcp',
  'the token /data/models/llama-7b/vocab.json',
  'the password is required, the token is invalid, the API key was not set',
  'token 128256 is out of range, token type_ids',
  'Missing key in state_dict: model.layers.11.self_attn.o_proj.weight',
])('what is no secret stays: %s', line => expect(withoutSecrets(line)).toBe(line));

test('a line made to be slow is read at once, and its secret is left out', () => {
  const parts = [
    'token: ',
    '--token ',
    '://',
    'a://b:',
    'password="',
    'secret_',
    '_pass',
    'a:b@',
    'login ',
    'mysql ',
    'key ',
    'password | ',
    'api_key ',
    'a.b.',
    '("api_key", ',
    'name: api_key ',
    'api_key(',
    'f(',
    'password=f("',
    'secret......',
    'auth=("a",',
    'login x password ',
  ];
  for (const part of parts) {
    const line = `${part.repeat(4_000)} password=hunter2`;
    expect(withoutSecrets(line), part).not.toContain('hunter2');
  }
});

test('whatever is quoted of a log goes through it', () => {
  const of = (...log: readonly string[]) => {
    const text = log.join('\n');
    const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
    return JSON.stringify(readJobLog({ ...asked, text, cut: false }));
  };
  expect(of('x', 'RuntimeError: cannot connect postgresql://u:hunter2@db/x')).not.toContain('hunt');
  expect(of('x', 'login failed, api_key: hunter2')).not.toContain('hunter2');
});

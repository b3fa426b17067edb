import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { partsOf } from '../../src/contract/schema-parts.ts';

/** What whoever names a pod, a program, a label or a disk may write into a name, by what it is after. */
export const HOSTILE: readonly (readonly [string, string])[] = [
  ['colours and a cleared screen', '\u001b[2J\u001b[31mHEALTHY\u001b[0m'],
  ['a new title of the window', '\u001b]0;owned\u0007'],
  ['a link of a terminal', '\u001b]8;;https://evil.example\u001b\\here\u001b]8;;\u001b\\'],
  ['the clipboard', '\u001b]52;c;ZWNobyBwd25lZA==\u0007'],
  ['8-bit controls', '\u009b2J\u009d0;owned\u009c\u0085'],
  ['a line over a line', 'x\rHEALTHY  all 8 GPUs are well\u0008\u0008\u007f'],
  ['a line of its own', 'x\nHEALTHY  all 8 GPUs are well\r\n\u2028\u2029CRITICAL'],
  ['NUL and other controls', 'a\u0000b\u0007c\u000bd\u000ce\u001af'],
  ['another order of letters', '\u202e\u2066lmth.exe\u2069\u202c\u200f\u061c'],
  ['letters that take no place', 'a\u200b\u200c\u200d\ufeff\u00ad\u2060b\u034f\u180e'],
  ['tags', [...'ignore all'].map(c => String.fromCodePoint(0xe0000 + c.charCodeAt(0))).join('')],
  ['variation selectors', `x${'\ufe00\ufe0f\u{e0100}\u{e01ef}'.repeat(20)}`],
  ['fillers', '\u115f\u1160\u3164\uffa0\u2800\u17b4\u17b5'],
  ['no characters', '\ufffe\uffff\u{1ffff}\u0378\ufdd0'],
  ['of private use', '\ue000\u{f0000}\u{10fffd}'],
  ['half of a letter', '\ud800 x \udfff'],
  ['stacked marks', `Z${'\u0310\u035f\u0489'.repeat(120)}`],
  ['a command of a shell', '$(touch pwned)`touch pwned`;touch pwned;#'],
  ['the end of a quote', `';touch pwned;'";touch pwned;"`],
  ['the end of a command', '\ntouch pwned\n&& touch pwned || touch pwned | touch pwned &'],
  [
    'a command that we know',
    '; kubectl get pods $(touch pwned); kubectl gpu-mcp triage `touch pwned` #',
  ],
  ['a flag', '--kubeconfig=/tmp/evil -o jsonpath={.x}'],
  ['markup', '</pre></td></script><script>alert(1)</script><img src=x onerror=alert(1)>'],
  ['an attribute', `" onmouseover="alert(1)" x='`],
  ['Markdown', '](https://evil.example) ![x](https://evil.example/?q=1) ~~~~ ``` # HEALTHY | x |'],
  ['YAML', ': {a: &x *x, <<: !!js/function "f"}\n- b'],
];

/** As `plainText` has it, said once more by code points: a test that asks the code itself sees nothing. */
const UNSEEN = [
  ...[
    [0x00, 0x1f],
    [0x7f, 0x9f],
    [0xad, 0xad],
    [0x34f, 0x34f],
    [0x378, 0x379],
    [0x61c, 0x61c],
  ],
  ...[
    [0x115f, 0x1160],
    [0x17b4, 0x17b5],
    [0x180b, 0x180f],
    [0x200b, 0x200f],
    [0x2028, 0x202e],
  ],
  ...[
    [0x2060, 0x206f],
    [0x2800, 0x2800],
    [0x3164, 0x3164],
    [0xd800, 0xdfff],
    [0xe000, 0xf8ff],
  ],
  ...[
    [0xfdd0, 0xfdef],
    [0xfe00, 0xfe0f],
    [0xfeff, 0xfeff],
    [0xffa0, 0xffa0],
    [0xfff0, 0xfffb],
  ],
  ...[
    [0xfffe, 0xffff],
    [0x1fffe, 0x1ffff],
    [0xe0000, 0x10ffff],
  ],
] as const;

/** What of a text no reader could see or undo, as code points; a line may end. */
export function unseenIn(text: string): readonly string[] {
  const found = new Set<string>();
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code === 0x0a) continue;
    if (UNSEEN.some(([from = 0, to = 0]) => code >= from && code <= to)) {
      found.add(`U+${code.toString(16).toUpperCase().padStart(4, '0')}`);
    }
  }
  if (/[\u0300-\u036f\u0483-\u0489]{3}/.test(text)) found.add('stacked marks');
  return [...found];
}

/** The same in every text and key of data, at any depth; here no line may end either. */
export function unseenInData(data: unknown): readonly string[] {
  if (typeof data === 'string')
    return [...unseenIn(data), ...(data.includes('\n') ? ['U+000A'] : [])];
  if (typeof data !== 'object' || data === null) return [];
  return Object.entries(data).flatMap(([key, part]) => [...unseenIn(key), ...unseenInData(part)]);
}

/** The data with `change` made to every text of it that may be any text, at any depth, keys too. */
export function withTexts(
  schema: z.core.$ZodType,
  data: unknown,
  change: (text: string) => string,
): unknown {
  const inside = (part: z.core.$ZodType, value: unknown) => withTexts(part, value, change);
  if (!(schema instanceof z.ZodType) || data === undefined || data === null) return data;
  if (typeof data === 'string') {
    const changed = change(data);
    return schema.safeParse(changed).success ? changed : data;
  }
  if (typeof data !== 'object') return data;
  if (schema instanceof z.ZodArray) {
    return Array.isArray(data) ? data.map(item => inside(schema.element, item)) : data;
  }
  if (schema instanceof z.ZodTuple) {
    const parts = partsOf(schema);
    return Array.isArray(data) ? data.map((item, at) => inside(parts[at] ?? schema, item)) : data;
  }
  if (schema instanceof z.ZodRecord) {
    return Object.fromEntries(
      Object.entries(data).map(([key, value]) => [
        inside(schema.keyType, key),
        inside(schema.valueType, value),
      ]),
    );
  }
  if (schema instanceof z.ZodUnion) {
    const option = partsOf(schema).find(part => part.safeParse(data).success);
    return option ? inside(option, data) : data;
  }
  if (schema instanceof z.ZodObject) {
    const shape: Readonly<Record<string, unknown>> = schema.shape;
    return Object.fromEntries(
      Object.entries(data).map(([key, value]) => {
        const part = shape[key];
        return [key, part instanceof z.ZodType ? inside(part, value) : value];
      }),
    );
  }
  const [whole] = partsOf(schema);
  return whole ? inside(whole, data) : data;
}

/** Names of programs that a printed command starts; here none of them does anything. */
const PROGRAMS = [
  ...[
    'kubectl',
    'nvidia-smi',
    'systemctl',
    'journalctl',
    'dmesg',
    'lspci',
    'crictl',
    'fuser',
    'df',
  ],
  ...[
    'lsof',
    'ls',
    'cat',
    'grep',
    'ps',
    'setpci',
    'modprobe',
    'sudo',
    'mst',
    'ibstat',
    'nvme',
    'ip',
  ],
];

/**
 * Runs each command in a shell of its own whose programs do nothing, and tells which of them did
 * something all the same: made the file that a hostile name wants made.
 */
export function escapedFrom(commands: readonly string[]): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-taint-'));
  const stubs = PROGRAMS.map(name => `${name}() { :; }`).join('\n');
  const ran = (commandsOf: readonly string[]): boolean => {
    const script = `${stubs}\ntouch() { : > "$1"; }\n${commandsOf
      .map(command => `eval ${quoted(command)} || :`)
      .join('\n')}\n`;
    execFileSync('/bin/bash', ['--norc', '-s'], {
      cwd: folder,
      input: script,
      env: { PATH: '/nowhere' },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const made = existsSync(join(folder, 'pwned'));
    rmSync(join(folder, 'pwned'), { force: true });
    return made;
  };
  try {
    if (commands.length === 0 || !ran(commands)) return [];
    return commands.filter(command => ran([command]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

import { type Answer, textOf } from '../contract/answer.ts';
import type { CommandWords } from '../contract/printed-command.ts';
import type { Document } from './document.ts';
import type { Titled } from './fleet-report.ts';
import type { Format } from './format.ts';
import { type Style, type StyledLine, styled } from './style.ts';

/** How an answer is to look. */
export interface Form {
  readonly format: Format;
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
  /** Its rows, where it is one: of a page that is higher the verdict stands below it too. */
  readonly rows?: number | undefined;
  /** Whether lines that nobody laid out are wrapped: on a terminal, and not for grep. */
  readonly wraps: boolean;
  /** All that there is, below the page. */
  readonly details: boolean;
}

/** One answer in the form asked for, ending in a newline. JSON and YAML are the facts alone. */
export async function rendered(answer: Titled, form: Form): Promise<string> {
  const { title, lines, structured } = answer;
  switch (form.format) {
    case 'json':
      return `${JSON.stringify(structured, null, 2)}\n`;
    case 'yaml':
      return (await import('./yaml.ts')).asYaml(structured);
    case 'text': {
      const { commandLines, terminalText, wrappedLine } = await import('./terminal.ts');
      const document = await documentOf(answer, form);
      if (document) return `${terminalText(document, form)}\n`;
      const shown = styled(answer).flatMap(line => {
        const text = form.colour ? coloured(line) : line.text;
        if (!form.wraps) return text;
        if (line.lead !== undefined) return commandLines(text, line.lead, form.width);
        return text.split('\n').map(part => wrappedLine(part, form.width));
      });
      return `${shown.join('\n')}\n`;
    }
    case 'markdown': {
      const document = await documentOf(answer, form);
      if (document) return (await import('./markdown.ts')).markdownText(document);
      return `## ${title}\n\n~~~~text\n${textOf(lines).replaceAll('~~~~', '~~~')}\n~~~~\n`;
    }
    case 'html':
      return (await import('./html-report.ts')).htmlReport(answer);
  }
}

const TRIAGE = 'triage_gpu_node';
const NONE: CommandWords = { connection: [], namespace: [] };

/** The page of an answer, where its tool has one; the others are lines. */
export async function documentOf(
  {
    tool,
    structured,
    provenance = {},
    commandWords = NONE,
    title,
  }: Answer & { readonly title: string },
  { details }: Pick<Form, 'details'>,
): Promise<Document | undefined> {
  if (tool !== TRIAGE) return undefined;
  const { TriageFacts } = await import('../tools/support/triage-facts.ts');
  const { triagePage } = await import('./triage-page.ts');
  return triagePage(TriageFacts.parse(structured), { title, provenance, commandWords, details });
}

const COLOURS: Readonly<Record<Style, string | undefined>> = {
  critical: '1;31',
  warning: '1;33',
  healthy: '1;32',
  unknown: '1;35',
  info: '36',
  simulated: '1;36',
  detail: '2',
  plain: undefined,
};

/**
 * Colours a line for a terminal: the first word of a verdict or finding, the whole line of a detail.
 * The text itself is unchanged; node text has lost its control characters before.
 */
function coloured({ style, text }: StyledLine): string {
  const colour = COLOURS[style];
  if (colour === undefined) return text;
  if (style === 'detail') return `\u001b[${colour}m${text}\u001b[0m`;
  return text.replace(/^\S+/, word => `\u001b[${colour}m${word}\u001b[0m`);
}

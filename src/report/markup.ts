/** HTML or SVG that may stand in a page as it is: `element` and `sequence` alone make it. */
export interface Markup {
  readonly markup: string;
}

/** A bare text is escaped wherever it comes from; what is undefined is left out. */
export type Child = Markup | string | undefined | readonly Child[];

/** Values are ours, never a node's text: names of classes, numbers, ids that we count. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** One element with its children. */
export const element = (name: string, attributes: Attributes, ...children: Child[]): Markup => ({
  markup: `<${name}${attributesText(attributes)}>${markupOf(children)}</${name}>`,
});

/** Several pieces beside each other. */
export const sequence = (...children: Child[]): Markup => ({ markup: markupOf(children) });

export function markupOf(child: Child): string {
  if (child === undefined) return '';
  if (typeof child === 'string') return escaped(child);
  if ('markup' in child) return child.markup;
  return child.map(markupOf).join('');
}

const attributesText = (attributes: Attributes): string =>
  Object.entries(attributes)
    .flatMap(([name, value]) =>
      value === undefined ? [] : [` ${name}="${escaped(String(value))}"`],
    )
    .join('');

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * The one way of a text into a page. What would reorder or hide what stands beside it, or is no
 * character at all, shows as a replacement character.
 */
export const escaped = (text: string): string =>
  text
    .replaceAll(/[^\P{Cc}\n]|[\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu, '\ufffd')
    .replaceAll(/[&<>"']/g, character => ENTITIES[character] ?? character);

/** As much of a text as a drawing has room for: there nothing wraps. */
export const clipped = (text: string, characters: number): string =>
  text.length <= characters ? text : `${text.slice(0, characters - 1)}…`;

export interface Figure {
  readonly title: string;
  readonly description: string;
  readonly attributes: Attributes;
  /** Begins the ids of its title and description. */
  readonly id: string;
}

/** A drawing with its name and what it shows in words: to a screen reader it is one picture. */
export const drawing = (
  { title, description, attributes, id }: Figure,
  ...children: Child[]
): Markup =>
  element(
    'svg',
    { ...attributes, role: 'img', 'aria-labelledby': `${id}-title ${id}-text` },
    element('title', { id: `${id}-title` }, title),
    element('desc', { id: `${id}-text` }, description),
    children,
  );

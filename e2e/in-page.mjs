// What runs in Chromium, on a page that is looked at. It is handed over as text: a page has no modules of ours.
const SQUARE = 16;
/** A tenth of the brightness, of 255. */
const STRANGE = 25;

globalThis.inPage = {
  /** Elements that stick out of the window, by what they say. */
  wide() {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    return [...document.querySelectorAll('body *')]
      .filter(each => each.getBoundingClientRect().right > clientWidth + 1)
      .map(
        each => `${each.tagName}.${each.getAttribute('class')}: ${each.textContent.slice(0, 60)}`,
      );
  },

  /** Opens all that is folded, as a reader may. */
  unfold() {
    for (const each of document.querySelectorAll('details')) each.open = true;
  },

  /** Every element with its attributes; a command has one for each of its words, and facts may be too long. */
  shape() {
    return [...document.querySelectorAll('*')]
      .filter(each => each.getAttribute('class') !== 'word')
      .map(each => {
        const attributes = [...each.attributes].map(({ name, value }) => `${name}=${value}`);
        const isFacts = each.matches('.raw details > summary + *') && attributes.length === 0;
        return [isFacts ? 'FACTS' : each.tagName, ...attributes].join(' ');
      });
  },

  scrollTo(selector) {
    document.querySelector(selector).scrollIntoView();
  },

  text: () => document.documentElement.textContent,

  styles: selectors =>
    selectors.map(selector => {
      const { display, position } = getComputedStyle(document.querySelector(selector));
      return `${display} ${position}`;
    }),

  /** What axe has to say against the page, where that was loaded. */
  async violations() {
    const { violations } = await globalThis.axe.run();
    return violations.map(
      ({ id, nodes: [first] }) => `${id}: ${first.html} ${first.failureSummary}`,
    );
  },

  /**
   * Two pictures compared square by square: fonts of another release move a letter by a pixel, and
   * a part that is missing, elsewhere or of another colour changes whole squares.
   */
  async compared(urls) {
    const [a, b] = await Promise.all(urls.map(pixelsOf));
    const [width, height] = [Math.min(a.width, b.width), Math.min(a.height, b.height)];
    let [all, strange] = [0, 0];
    for (let y = 0; y + SQUARE <= height; y += SQUARE) {
      for (let x = 0; x + SQUARE <= width; x += SQUARE) {
        all += 1;
        const [one, two] = [meansOf(a, x, y), meansOf(b, x, y)];
        if (one.some((mean, channel) => Math.abs(mean - two[channel]) > STRANGE)) strange += 1;
      }
    }
    return { sameSize: a.width === b.width && a.height === b.height, strange: strange / all };
  },
};

async function pixelsOf(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}

function meansOf({ data, width }, x, y) {
  const sums = [0, 0, 0];
  for (let row = y; row < y + SQUARE; row += 1) {
    for (let at = (row * width + x) * 4; at < (row * width + x + SQUARE) * 4; at += 4) {
      for (const channel of [0, 1, 2]) sums[channel] += data[at + channel];
    }
  }
  return sums.map(sum => sum / SQUARE ** 2);
}

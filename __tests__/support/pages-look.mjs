/** Runs in the browser, on the page that pages.ts makes: draws what Mermaid draws on GitHub, opens what is folded, and looks. */
/* global document, getComputedStyle, mermaid */

/** Pixels that two boxes may share. */
const TOUCH = 2;
/** The smallest letters that can be read, in pixels. */
const SMALLEST = 7;
/** What is markup, not words; code is looked at apart. */
const MARKUP = /\*\*|^#{1,6} |\|\s*-{3}|```|<\/?[a-z]+|&#?\w+;|\[[^\]]*\]\(|\bundefined\b|\[object|\bNaN\b/gm;

globalThis.look = async (scheme, quoted) => {
  const article = document.querySelector('article');
  const faults = await draw(scheme === 'dark' ? 'dark' : 'default');
  for (const folded of article.querySelectorAll('details')) folded.open = true;
  for (const { scrollWidth, clientWidth } of article.querySelectorAll('table'))
    if (scrollWidth > clientWidth) faults.push(`a table of ${scrollWidth} pixels has ${clientWidth}`);
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) faults.push(`the page is ${scrollWidth} pixels wide`);
  const drawings = [...article.querySelectorAll('figure > svg')].map((svg) => drawingOf(svg, faults));
  const words = article.cloneNode(true);
  for (const element of words.querySelectorAll('figure, pre, code')) element.remove();
  const read = quoted.reduce((text, quote) => text.replaceAll(quote, ''), words.textContent);
  for (const { 0: markup, index } of read.matchAll(MARKUP))
    faults.push(
      `markup is left: ${markup} in ${JSON.stringify(read.slice(Math.max(0, index - 30), index + 50))}`,
    );
  const outside = [...article.querySelectorAll('*')].filter((element) => element.closest('figure') === null);
  return {
    faults: [...new Set(faults)],
    // biome-ignore lint/performance/useDomNodeTextContent: what is not shown is not read
    text: article.innerText,
    tags: [...new Set(outside.map((element) => element.tagName.toLowerCase()))],
    drawings,
    links: [...article.querySelectorAll('a')].map((link) => link.getAttribute('href') ?? ''),
  };
};

/** Draws every Mermaid block; says which can't be drawn. */
async function draw(theme) {
  mermaid.initialize({ startOnLoad: false, theme, securityLevel: 'strict' });
  const broken = [];
  for (const [i, code] of [...document.querySelectorAll('code.language-mermaid')].entries())
    try {
      const { svg } = await mermaid.render(`drawing${i}`, code.textContent);
      const figure = document.createElement('figure');
      figure.innerHTML = svg;
      figure.style.margin = '0';
      code.parentElement.replaceWith(figure);
    } catch (error) {
      broken.push(`a drawing is broken: ${error}`);
    }
  return broken;
}

/** The texts of a drawing, after a look at where they are and how large. */
function drawingOf(svg, faults) {
  const labels = [...svg.querySelectorAll('text, foreignObject p')].filter((label) => textOf(label) !== '');
  const whole = svg.getBoundingClientRect();
  const scale = whole.width / svg.viewBox.baseVal.width;
  for (const [i, label] of labels.entries()) {
    const box = label.getBoundingClientRect();
    const text = JSON.stringify(textOf(label));
    if (label.querySelector('strong, em, code, a') !== null) faults.push(`${text} holds markup`);
    if (!isWithin(box, whole)) faults.push(`${text} is cut off at the edge of its drawing`);
    const room = label.closest('foreignObject');
    if (room !== null && !isWithin(box, room.getBoundingClientRect()))
      faults.push(`${text} does not fit its box`);
    const size = Number.parseFloat(getComputedStyle(label).fontSize) * scale;
    if (size < SMALLEST) faults.push(`${text} has letters of ${size.toFixed(1)} pixels`);
    for (const other of labels.slice(i + 1))
      if (overlap(box, other.getBoundingClientRect()))
        faults.push(`${text} lies over ${JSON.stringify(textOf(other))}`);
  }
  return labels.map(textOf);
}

function textOf(element) {
  return element.textContent.trim().replace(/\s+/g, ' ');
}

function isWithin(box, room) {
  return (
    box.left >= room.left - TOUCH &&
    box.right <= room.right + TOUCH &&
    box.top >= room.top - TOUCH &&
    box.bottom <= room.bottom + TOUCH
  );
}

function overlap(one, two) {
  const wide = Math.min(one.right, two.right) - Math.max(one.left, two.left);
  const high = Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top);
  return wide > TOUCH && high > TOUCH;
}

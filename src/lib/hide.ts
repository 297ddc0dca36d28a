/** Shorter ones stand in every text by chance. */
const SHORTEST = 4;

/** What all logs are full of. A secret that is a part of it would blank them, and say by that what it is. */
const COMMON =
  'sha256 digest release deployment environment production staging development local live unchanged refused ready ' +
  'https://localhost http://127.0.0.1:8080 00000000 11111111 12345678 true false null none undefined default error ' +
  'warning info debug trace test admin root user username password secret token changeme example.com model data ' +
  'trainyard github runner python node server port name version latest main master config';

/** Why a secret cannot be hidden without harm; undefined when it can. The value is not shown. */
export function hidingProblem(value: string): 'short' | 'common' | undefined {
  if (value.length < SHORTEST) return 'short';
  return COMMON.includes(value.toLowerCase()) ? 'common' : undefined;
}

/** The forms in which a secret's value, or a line of it, can stand in a text: as it is, in JSON, in a URL, in base64. */
export function formsOf(value: string): string[] {
  const parts = [value, ...value.split(/\r?\n/)].filter((part) => part.length >= SHORTEST);
  return [
    ...new Set(
      parts.flatMap((part) => [
        part,
        JSON.stringify(part).slice(1, -1),
        encodeURIComponent(Buffer.from(part).toString()),
        Buffer.from(part).toString('base64').replace(/=+$/, ''),
      ]),
    ),
  ];
}

/**
 * Hides secret values, each line of them, in a text, in all forms above; also what is left of one where the text was cut (`…`).
 * Those below four characters are too common to be hidden.
 */
export function hideSecrets(values: Iterable<string>): (text: string) => string {
  const hidden = [...new Set([...values].flatMap(formsOf))].sort((a, b) => b.length - a.length);
  return (text) => {
    const [last = '', ...cut] = hidden
      .reduce((shown, part) => shown.replaceAll(part, '***'), text)
      .split('…')
      .reverse();
    return [...cut.reverse().map((piece) => withoutBeginning(piece, hidden)), last].join('…');
  };
}

/** A text without the beginning of a secret that stands at its end. */
function withoutBeginning(text: string, hidden: readonly string[]): string {
  for (const part of hidden)
    for (let length = Math.min(part.length - 1, text.length); length >= SHORTEST; length--)
      if (text.endsWith(part.slice(0, length))) return `${text.slice(0, -length)}***`;
  return text;
}

/** Hides secret values, each line of them, in a text. Those below four characters are too common to be hidden. */
export function hideSecrets(values: Iterable<string>): (text: string) => string {
  const parts = [...values].flatMap((value) => [value, ...value.split(/\r?\n/)]);
  const hidden = [...new Set(parts)].filter((part) => part.length >= 4).sort((a, b) => b.length - a.length);
  return (text) => hidden.reduce((shown, part) => shown.replaceAll(part, '***'), text);
}

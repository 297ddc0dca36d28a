/** What a machine's `.netrc` says for one host. */
export interface Login {
  readonly login: string;
  readonly password: string;
}

/**
 * Finds the login for a host in the text of a `.netrc` (GNU inetutils, "The .netrc file"): its `machine`, else `default`.
 * Undefined when there is none with a name and a password.
 */
export function findLogin(text: string, host: string): Login | undefined {
  const words = wordsOf(text);
  let entry: { matches: boolean; login?: string; password?: string } = { matches: false };
  const whole = (): Login | undefined =>
    entry.matches && entry.login !== undefined && entry.password !== undefined
      ? { login: entry.login, password: entry.password }
      : undefined;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === 'machine' || word === 'default') {
      const found = whole();
      if (found !== undefined) return found;
      entry = { matches: word === 'default' || words[++i]?.toLowerCase() === host };
    } else if (word === 'login' || word === 'password') {
      const value = words[++i];
      if (value !== undefined) entry[word] = value;
    } else if (word === 'account') i++;
  }
  return whole();
}

/** The words of the file; comments are left out, and macros, which end at an empty line. */
function wordsOf(text: string): string[] {
  let inMacro = false;
  const lines = text.split(/\r?\n/).filter((line) => {
    const wasInMacro = inMacro;
    inMacro = /^\s*macdef\b/.test(line) || (inMacro && line.trim() !== '');
    return !inMacro && !wasInMacro;
  });
  const plain = lines.map((line) => line.replace(/(^|\s)#.*$/, '')).join('\n');
  return [...plain.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, word = '']) =>
    quoted === undefined ? word : quoted.replace(/\\(.)/g, '$1'),
  );
}

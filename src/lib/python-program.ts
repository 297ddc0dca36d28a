/**
 * Where in a command `script.py`, or `-m` before a module, stands; undefined when it is no Python program's.
 */
export function pythonProgramAt([python = '', ...rest]: readonly string[]): number | undefined {
  const at = rest.findIndex((word) => word === '-m' || !word.startsWith('-'));
  return /^(.*\/)?python(\d+(\.\d+)?)?$/.test(python) && at >= 0 ? at + 1 : undefined;
}

import { UserError } from '../lib/errors.ts';

/** A boolean as YAML 1.2's core schema writes it; empty is false. It is read before an action's own code is there, so it needs no parser. */
export function flag(value: string, name: string): boolean {
  if (/^(true|True|TRUE)$/.test(value)) return true;
  if (/^(|false|False|FALSE)$/.test(value)) return false;
  throw new UserError(`input ${name} is ${JSON.stringify(value)}; it may be true or false`);
}

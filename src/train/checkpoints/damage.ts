import { isDiskFull } from '../../lib/disk-full.ts';
import { codeOf, MachineError } from '../../lib/errors.ts';

/**
 * Whether an error means that what is durable is not what was written. A registry that does not answer and a full disk
 * say nothing of that: who passed a checkpoint over for them would train again what was trained.
 */
export function isDamage(error: unknown): boolean {
  if (error instanceof MachineError || isDiskFull(error)) return false;
  return !['EACCES', 'EPERM', 'EMFILE', 'ENFILE', 'ENOMEM'].includes(codeOf(error) ?? '');
}

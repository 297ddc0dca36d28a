import { z } from 'zod';

const RULE = 'a lower-case letter or digit, then up to 40 of a-z 0-9 . _ -';

/** A project's name; it stands in tags, folders and concurrency groups. */
export const projectName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,40}$/, `a name is ${RULE}`);

/** An environment's name: the file `environments/NAME.yml`, and the GitHub environment of the same name. */
export const environmentName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,40}$/,
    'an environment is named by a letter or digit, then up to 40 of A-Z a-z 0-9 . _ -',
  );

/** The name of an environment variable (POSIX). */
export const variableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable: letters, digits, _');

/** The name of a configuration value or a secret: a variable of the server's that is not the machine's or Trainyard's. */
export const settingName = variableName.refine(
  (name) =>
    !/^(PATH|HOME|PORT|VIRTUAL_ENV|PYTHON(PATH|HOME|UNBUFFERED)|LD_\w+|DYLD_\w+|TRAINYARD_\w+)$/.test(name),
  'this variable is set by Trainyard or the machine; give the setting another name',
);

/** A path inside a folder: relative, with `/`, and never out of it. */
export const insidePath = z
  .string()
  .min(1)
  .refine((path) => isInside(path), 'a relative path inside the folder, with / and without ..');

/** Whether a relative path stays in its folder on every system. */
export function isInside(path: string): boolean {
  return (
    !/^[/\\]|^[A-Za-z]:|[\\\0]/.test(path) &&
    path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  );
}

import { z } from 'zod';
import { MachineError, UserError } from '../../lib/errors.ts';
import { tryJson } from '../../lib/json.ts';
import { bytesOf, type WebAnswer } from '../../lib/web-answer.ts';
import { WHERE } from './credentials.ts';

const LARGEST_ERROR = 1 << 16;
/** OCI distribution specification 1.1, "Error codes". */
const errorBody = z.looseObject({
  errors: z.array(z.looseObject({ code: z.string().optional(), message: z.string().optional() })),
});

/** The error for an answer that was not wanted, with what the registry says and what to do. `name` is that of the repository. */
export async function refusalOf(
  what: string,
  name: string,
  answer: WebAnswer,
): Promise<UserError | MachineError> {
  const text = (await bytesOf(answer, LARGEST_ERROR).catch(() => Buffer.alloc(0))).toString();
  const parsed = errorBody.safeParse(tryJson(text));
  const said = parsed.success
    ? parsed.data.errors.map(({ code, message }) => [code, message].filter(Boolean).join(' ')).join('; ')
    : text.slice(0, 200);
  const message = `${what}: ${name} answered ${answer.status}${said === '' ? '' : ` (${said})`}`;
  switch (answer.status) {
    case 401:
    case 403:
      return new UserError(
        `${message}. Give this job a credential that may do it; credentials are looked for in: ${WHERE}. ` +
          'Some registries answer so for a repository that is not there: create it then',
      );
    case 404:
      return new UserError(
        `${message}. Check the repository's name, and that this job's credential may see it`,
      );
    case 405:
    case 501:
      return new UserError(`${message}. This registry does not offer that`);
    default:
      return new MachineError(message);
  }
}

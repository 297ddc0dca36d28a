import { z } from 'zod';
import type { Environment } from '../../lib/environment.ts';
import { MachineError } from '../../lib/errors.ts';
import { tryJson } from '../../lib/json.ts';
import type { Web } from '../../lib/web.ts';
import { bytesOf, type WebAnswer } from '../../lib/web-answer.ts';
import { authorizationOf } from './authorization.ts';

const LARGEST = 16 * 2 ** 20;
const refusal = z.object({ error_code: z.string().optional(), message: z.string().optional() });

/** An answer of MLflow's that is a no. */
class Refusal extends MachineError {
  override name = 'Refusal';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The REST API 2.0 of an MLflow server. */
export class MlflowServer {
  readonly url: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #web: Web;

  /**
   * @param url of the server, as MLFLOW_TRACKING_URI would be
   * @param env has the credentials, by the names that MLflow's own client knows
   */
  constructor(url: URL, env: Environment, web: Web) {
    this.url = url;
    const authorization = authorizationOf(env);
    this.#headers = {
      'content-type': 'application/json',
      ...(authorization !== undefined && { authorization }),
    };
    this.#web = web;
  }

  /** Reads something: `experiments/get-by-name`, with a query. Undefined when it is not there. */
  get<T>(
    call: string,
    query: Readonly<Record<string, string>>,
    schema: z.ZodType<T>,
  ): Promise<T | undefined> {
    const url = this.#urlOf(call);
    url.search = new URLSearchParams(query).toString();
    const wanted = { method: 'GET' as const, url, headers: this.#headers, staysHome: true };
    return this.#web
      .ask(`MLflow’s ${call}`, wanted, (answer) => read(call, answer, schema))
      .catch(unlessIt('RESOURCE_DOES_NOT_EXIST'));
  }

  /** Sends something: `runs/create`, with its fields. Undefined when it is there already. */
  post<T>(call: string, body: object, schema: z.ZodType<T>): Promise<T | undefined> {
    const bytes = Buffer.from(JSON.stringify(body));
    const wanted = {
      method: 'POST' as const,
      url: this.#urlOf(call),
      headers: this.#headers,
      body: async () => bytes,
      staysHome: true,
    };
    return this.#web
      .ask(`MLflow’s ${call}`, wanted, (answer) => read(call, answer, schema))
      .catch(unlessIt('RESOURCE_ALREADY_EXISTS'));
  }

  #urlOf(call: string): URL {
    const url = new URL(this.url);
    url.pathname = `${url.pathname.replace(/\/$/, '')}/api/2.0/mlflow/${call}`;
    return url;
  }
}

async function read<T>(call: string, answer: WebAnswer, schema: z.ZodType<T>): Promise<T> {
  const found = tryJson((await bytesOf(answer, LARGEST)).toString('utf8'));
  const place = `${answer.url.origin}, asked for ${call},`;
  if (answer.status === 401 || answer.status === 403) {
    const credentials = 'MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN';
    throw new MachineError(
      `${place} answered with ${answer.status}: set ${credentials}, in the env of the step, to a user that may write there`,
    );
  }
  if (answer.status !== 200) {
    const { error_code = '', message = '' } = refusal.safeParse(found).data ?? {};
    throw new Refusal(
      error_code,
      `${place} answered with ${answer.status} ${error_code}: ${message.slice(0, 300)}`,
    );
  }
  const parsed = schema.safeParse(found);
  if (parsed.success) return parsed.data;
  throw new MachineError(
    `${place} did not answer as MLflow does; check that this is the address of its server`,
  );
}

function unlessIt(code: string): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof Refusal && error.code === code) return undefined;
    throw error;
  };
}

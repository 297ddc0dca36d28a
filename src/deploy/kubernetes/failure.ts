import { z } from 'zod';
import { MachineError, UserError } from '../../lib/errors.ts';
import type { HttpAnswer } from '../../lib/http.ts';
import { tryJson } from '../../lib/json.ts';

const status = z.object({
  kind: z.literal('Status'),
  apiVersion: z.literal('v1'),
  message: z.string().default(''),
  reason: z.string().default(''),
});
type Status = z.infer<typeof status>;

/** What the API server itself says in an answer; undefined where the answer is something else. */
export function statusOf({ body }: HttpAnswer): Status | undefined {
  return status.safeParse(tryJson(body)).data;
}

/** Whether an answer is kubectl's own, that did not reach the API server: each of that one's has the number under which it is audited. */
export function isUnreached({ status: code, headers }: HttpAnswer): boolean {
  return code >= 500 && headers['audit-id'] === undefined;
}

/** Whether an answer says that the API server can't be reached, or can't answer now: the same request may succeed later. */
export function isOutage(answer: HttpAnswer): boolean {
  if (isUnreached(answer)) return true;
  const said = statusOf(answer);
  if (said === undefined) return false;
  return (
    [429, 503, 504].includes(answer.status) ||
    (answer.status === 500 && /etcd|failed calling webhook/.test(said.message))
  );
}

/**
 * What kubectl says that waiting does not mend, of a cluster that was never reached; undefined for anything else. Once it was, the
 * same is an outage: a sign-in that fails for a while, say.
 */
export function misconfigured(answer: HttpAnswer): UserError | undefined {
  if (!isUnreached(answer)) return undefined;
  const said = answer.body.trim();
  if (/localhost:8080|127\.0\.0\.1:8080|\[::1\]:8080/.test(said))
    return new UserError(
      `kubectl has no cluster to ask (${said}). Give the job a kubeconfig: KUBECONFIG, or ~/.kube/config`,
    );
  if (/getting credentials|x509:|executable .* not found/.test(said))
    return new UserError(`kubectl can't sign in to the cluster: ${said}. Check the user of the kubeconfig`);
  return undefined;
}

/** The error for an answer that is a refusal, in the API server's own words. @param what was asked: "apply Deployment x" */
export function refusal(what: string, answer: HttpAnswer): UserError | MachineError {
  const said = statusOf(answer)?.message ?? answer.body.slice(0, 500).trim();
  const text = `the API server refused to ${what} (${answer.status}): ${said}`;
  switch (answer.status) {
    case 401:
      return new UserError(`${text}. Check the user of the kubeconfig`);
    case 403:
      return new UserError(`${text}. See docs/kubernetes.md for the Role that a deploy needs`);
    case 400:
    case 404:
    case 405:
    case 415:
    case 422:
      return new UserError(text);
    // A conflict, say: another one has changed it meanwhile.
    default:
      return new MachineError(text);
  }
}

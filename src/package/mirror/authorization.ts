import type { Environment } from '../../lib/environment.ts';

/**
 * The header that shows a server of MLflow's who asks, by the variables that its own client knows: a token goes before a name and
 * password. Undefined without either.
 */
export function authorizationOf(env: Environment): string | undefined {
  // A secret that was pasted often ends with the end of a line.
  const [token, name, password] = ['TOKEN', 'USERNAME', 'PASSWORD'].map((part) =>
    env[`MLFLOW_TRACKING_${part}`]?.trim(),
  );
  if (token) return `Bearer ${token}`;
  if (!name || !password) return undefined;
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}

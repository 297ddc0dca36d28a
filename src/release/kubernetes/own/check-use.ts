import type { ReleaseConfig } from '../../../records/release.ts';
import { CONFIGMAP, MODEL_IMAGE, PACKAGE, SECRET, SERVER_IMAGE } from './placeholders.ts';
import type { WrittenObject } from './written.ts';

/**
 * What the release says and the manifests leave out, so that a record would say one thing and a cluster run another.
 * @param used the placeholders that were found
 */
export function checkUse(
  objects: readonly WrittenObject[],
  used: ReadonlySet<string>,
  config: Omit<ReleaseConfig, 'target'>,
  folder: string,
): string[] {
  const problems: string[] = [];
  const need = (isThere: boolean, what: string): void => {
    if (!isThere) problems.push(`${folder}: ${what}`);
  };
  need(
    used.has(SERVER_IMAGE),
    `no container runs the server of the release; give one image: "${SERVER_IMAGE}"`,
  );
  need(
    used.has(MODEL_IMAGE) || used.has(PACKAGE),
    `nothing brings the model of the release into the pod; mount a volume {image: {reference: "${MODEL_IMAGE}"}}, or pull "${PACKAGE}"`,
  );
  const names = Object.keys(config.config);
  need(
    names.length === 0 || used.has(CONFIGMAP),
    `the configuration (${names.join(', ')}) reaches no container; give the server envFrom: [{configMapRef: {name: "${CONFIGMAP}"}}]`,
  );
  need(
    config.secrets.length === 0 || used.has(SECRET),
    `the secrets (${config.secrets.join(', ')}) reach no container; give the server envFrom: [{secretRef: {name: "${SECRET}"}}]`,
  );
  need(
    config.secrets.length > 0 || !used.has(SECRET),
    `${SECRET} is named, and no Secret will be there, since the environment has no secrets; take it out`,
  );
  const text = JSON.stringify(objects.map(({ json }) => json));
  for (const [name, { secretKeyRef }] of Object.entries(config.secretReferences ?? {}))
    need(
      text.includes(JSON.stringify(secretKeyRef.name)) && text.includes(JSON.stringify(secretKeyRef.key)),
      `the secret ${name} reaches no container; give the server {name: ${name}, valueFrom: {secretKeyRef: {name: ${secretKeyRef.name}, key: ${secretKeyRef.key}}}}`,
    );
  return problems;
}

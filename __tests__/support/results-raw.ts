/** Artifacts as somebody else may upload them: any bytes under any name, by the protocol alone. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { TWIRP } from './results-faults.ts';
import type { ResultsService } from './results-service.ts';
import type { JobIds } from './results-token.ts';

const answer = z.object({ signed_upload_url: z.url().optional() });

/** Uploads these bytes as the zip of an artifact; `hash` is what the uploader says of them. */
export async function uploadRaw(
  service: ResultsService,
  name: string,
  bytes: Buffer,
  { run = '1', job = '1' }: Partial<JobIds> = {},
): Promise<void> {
  const token = service.env({ run, job }).ACTIONS_RUNTIME_TOKEN;
  const ids = { workflow_run_backend_id: run, workflow_job_run_backend_id: job, name };
  const call = async (method: string, body: object): Promise<z.output<typeof answer>> => {
    const response = await fetch(`${service.url}${TWIRP}${method}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...ids, ...body }),
    });
    if (!response.ok) throw new Error(`${method}: ${response.status} ${await response.text()}`);
    return answer.parse(await response.json());
  };
  const { signed_upload_url: url = '' } = await call('CreateArtifact', { version: 7 });
  const headers = { 'x-ms-blob-content-type': 'application/zip' };
  await fetch(url, { method: 'PUT', headers, body: new Uint8Array(bytes) });
  const hash = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  await call('FinalizeArtifact', { size: String(bytes.length), hash });
}

/**
 * The five calls of `github.actions.results.api.v1.ArtifactService`, exact about names and content:
 * - a name can be taken once in a run, from CreateArtifact on; one that is never finalized stays taken and is not listed;
 * - FinalizeArtifact compares size and hash with the bytes that are there;
 * - a job may create and finalize for itself only, and reach nothing of another run;
 * - an expired artifact is gone, and its name is free.
 * Requests and answers have the JSON form of the protocol buffers that @actions/artifact 6.2.1 sends and reads.
 */
import { z } from 'zod';
import { type BlockBlobs, ServiceError } from './results-blobs.ts';
import type { JobIds } from './results-token.ts';

const text = z.string().min(1);
const job = { workflow_run_backend_id: text, workflow_job_run_backend_id: text };
const named = { ...job, name: text };
/** Protocol buffers leave out a value that is the default, and write 64-bit numbers as strings. */
const int64 = z.string().regex(/^\d+$/).transform(Number);

const Requests = {
  CreateArtifact: z.strictObject({
    ...named,
    version: z.literal(7),
    mime_type: text.optional(),
    expires_at: z.iso.datetime().optional(),
  }),
  FinalizeArtifact: z.strictObject({ ...named, size: int64.default(0), hash: text.optional() }),
  ListArtifacts: z.strictObject({ ...job, name_filter: text.optional(), id_filter: int64.optional() }),
  GetSignedArtifactURL: z.strictObject(named),
  DeleteArtifact: z.strictObject(named),
};

export type ArtifactMethod = keyof typeof Requests;

export function isArtifactMethod(name: string): name is ArtifactMethod {
  return Object.hasOwn(Requests, name);
}

interface Artifact extends JobIds {
  readonly id: number;
  readonly name: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** Set by FinalizeArtifact: until then the name is taken and nothing can be read. */
  final: { readonly size: number; readonly sha256: string } | undefined;
}

export interface ArtifactServiceOptions {
  readonly blobs: BlockBlobs;
  /** A URL that may do one thing with one artifact's blob, for a while. */
  sign(artifact: number, permission: 'r' | 'w'): string;
  now(): number;
  readonly retentionDays: number;
}

export class ArtifactService {
  readonly #options: ArtifactServiceOptions;
  readonly #artifacts = new Map<number, Artifact>();
  #lastId = 0;

  constructor(options: ArtifactServiceOptions) {
    this.#options = options;
  }

  /** Answers one call of `caller`; throws a ServiceError with a Twirp code. */
  async call(method: ArtifactMethod, body: unknown, caller: JobIds): Promise<object> {
    await this.#dropExpired();
    switch (method) {
      case 'CreateArtifact':
        return this.#create(read(Requests.CreateArtifact, body), caller);
      case 'FinalizeArtifact':
        return this.#finalize(read(Requests.FinalizeArtifact, body), caller);
      case 'ListArtifacts':
        return this.#list(read(Requests.ListArtifacts, body), caller);
      case 'GetSignedArtifactURL':
        return this.#signedUrl(read(Requests.GetSignedArtifactURL, body), caller);
      case 'DeleteArtifact':
        return this.#delete(read(Requests.DeleteArtifact, body), caller);
    }
  }

  /** The name of the artifact that a signed URL is for; undefined when it is gone. */
  nameOf(id: number): string | undefined {
    const artifact = this.#artifacts.get(id);
    return artifact && artifact.expiresAt > this.#options.now() ? artifact.name : undefined;
  }

  #create(request: z.output<typeof Requests.CreateArtifact>, caller: JobIds): object {
    own(request, caller);
    if (/[":<>|*?\r\n\\/]/.test(request.name)) {
      throw new ServiceError(400, 'invalid_argument', `the artifact name ${request.name} is not valid`);
    }
    if (this.#find(caller.run, request.name)) {
      const message = 'an artifact with this name already exists on the workflow run';
      throw new ServiceError(409, 'already_exists', `Conflict: ${message}`);
    }
    const id = ++this.#lastId;
    const createdAt = this.#options.now();
    const longest = createdAt + this.#options.retentionDays * 86_400_000;
    const asked = request.expires_at === undefined ? longest : Date.parse(request.expires_at);
    const expiresAt = Math.min(asked, longest);
    this.#artifacts.set(id, { ...caller, id, name: request.name, createdAt, expiresAt, final: undefined });
    return { ok: true, signed_upload_url: this.#options.sign(id, 'w') };
  }

  async #finalize(request: z.output<typeof Requests.FinalizeArtifact>, caller: JobIds): Promise<object> {
    own(request, caller);
    const artifact = this.#find(caller.run, request.name);
    if (artifact?.job !== caller.job) throw notFound(request.name);
    const facts = await this.#options.blobs.facts(String(artifact.id));
    if (!facts) throw new ServiceError(412, 'failed_precondition', 'the blob was never committed');
    if (facts.size !== request.size) {
      throw new ServiceError(
        400,
        'invalid_argument',
        `size ${request.size}, but ${facts.size} bytes are there`,
      );
    }
    if (request.hash !== undefined && request.hash !== `sha256:${facts.sha256}`) {
      throw new ServiceError(
        400,
        'invalid_argument',
        `hash ${request.hash}, but it is sha256:${facts.sha256}`,
      );
    }
    artifact.final = facts;
    return { ok: true, artifact_id: String(artifact.id) };
  }

  #list(request: z.output<typeof Requests.ListArtifacts>, caller: JobIds): object {
    own(request, caller);
    const artifacts = [...this.#artifacts.values()].flatMap(({ id, run, job, name, createdAt, final }) =>
      final &&
      run === caller.run &&
      (request.name_filter ?? name) === name &&
      (request.id_filter ?? id) === id
        ? {
            workflow_run_backend_id: run,
            workflow_job_run_backend_id: job,
            database_id: String(id),
            name,
            size: String(final.size),
            created_at: new Date(createdAt).toISOString(),
            digest: `sha256:${final.sha256}`,
          }
        : [],
    );
    return { artifacts };
  }

  #signedUrl(request: z.output<typeof Requests.GetSignedArtifactURL>, caller: JobIds): object {
    return { signed_url: this.#options.sign(this.#readable(request, caller).id, 'r') };
  }

  async #delete(request: z.output<typeof Requests.DeleteArtifact>, caller: JobIds): Promise<object> {
    const { id } = this.#readable(request, caller);
    this.#artifacts.delete(id);
    await this.#options.blobs.remove(String(id));
    return { ok: true, artifact_id: String(id) };
  }

  /** A finalized artifact of the caller's run, named with the job that made it (which may be another one). */
  #readable(request: z.output<typeof Requests.DeleteArtifact>, caller: JobIds): Artifact {
    if (request.workflow_run_backend_id !== caller.run) throw foreign();
    const artifact = this.#find(caller.run, request.name);
    if (!artifact?.final || artifact.job !== request.workflow_job_run_backend_id)
      throw notFound(request.name);
    return artifact;
  }

  #find(run: string, name: string): Artifact | undefined {
    return [...this.#artifacts.values()].find((artifact) => artifact.run === run && artifact.name === name);
  }

  async #dropExpired(): Promise<void> {
    const now = this.#options.now();
    for (const { id, expiresAt } of [...this.#artifacts.values()]) {
      if (expiresAt > now) continue;
      this.#artifacts.delete(id);
      await this.#options.blobs.remove(String(id));
    }
  }
}

function read<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw new ServiceError(400, 'malformed', z.prettifyError(parsed.error));
  return parsed.data;
}

function own(
  ids: { workflow_run_backend_id: string; workflow_job_run_backend_id: string },
  caller: JobIds,
): void {
  if (ids.workflow_run_backend_id !== caller.run || ids.workflow_job_run_backend_id !== caller.job)
    throw foreign();
}

function foreign(): ServiceError {
  return new ServiceError(403, 'permission_denied', 'the token is for another run or job');
}

function notFound(name: string): ServiceError {
  return new ServiceError(404, 'not_found', `no artifact ${name}`);
}

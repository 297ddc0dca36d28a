import type { Digest } from '../lib/digest.ts';
import type { Event } from '../records/history.ts';
import type { KindName } from '../records/kind.ts';
import { kinds } from '../records/kinds.ts';
import type { Manifest } from '../records/oci.ts';
import { packageFacts } from '../records/package.ts';

/** What a record says that decides how long it stays. */
export interface Facts {
  /** Of these the last are kept: `release of digits for production`. A Run's project is that of its trainer. */
  readonly group?: string;
  /** When what it tells of was over, in milliseconds since 1970. */
  readonly at?: number;
  /** Of a Deployment. */
  readonly event?: Event;
}

/** Reads them. @throws what the kind's schema throws for a configuration of another form */
export function factsOf(kind: KindName, digest: Digest, manifest: Manifest, config: unknown): Facts {
  switch (kind) {
    case 'program': {
      const { role, name } = kinds.program.schema.parse(config);
      return { group: `${role} of ${name}` };
    }
    case 'run': {
      const last = kinds.run.schema.parse(config).segments.at(-1);
      return { ...(last !== undefined && { at: Date.parse(last.endedAt) }) };
    }
    case 'package':
      return { group: `package of ${packageFacts(manifest).name}` };
    case 'release': {
      const { name, environment } = kinds.release.schema.parse(config);
      return { group: `release of ${name} for ${environment}` };
    }
    case 'deployment': {
      const deployed = kinds.deployment.schema.parse(config);
      const { name, environment, endedAt } = deployed;
      const release = manifest.subject?.digest;
      return {
        group: `deployment of ${name} to ${environment}`,
        at: Date.parse(endedAt),
        ...(release !== undefined && { event: { ...deployed, digest, release } }),
      };
    }
    case 'checkpoint': {
      const { trainingId, madeAt } = kinds.checkpoint.schema.parse(config);
      return { group: `checkpoint of ${trainingId}`, at: Date.parse(madeAt) };
    }
    case 'data':
      return { group: `data ${kinds.data.schema.parse(config).name}` };
    case 'source':
      return {};
  }
}

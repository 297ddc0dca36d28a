import type { JsonObject } from '../lib/json.ts';
import type { KindName } from '../records/kind.ts';
import { kinds } from '../records/kinds.ts';
import type { Manifest } from '../records/oci.ts';
import { packageFacts } from '../records/package.ts';

/** What a person wants to know of a record in a lineage. */
export type Facts = JsonObject;

/** The telling part of a record's configuration. */
export function factsOf(kind: KindName, manifest: Manifest, config: unknown): Facts {
  switch (kind) {
    case 'source': {
      const { commit, repository, path, ref } = kinds.source.schema.parse(config);
      return { commit, repository, path, ref };
    }
    case 'program': {
      const { role, name, command } = kinds.program.schema.parse(config);
      return { role, name, command };
    }
    case 'run': {
      const { segments, previous = null, ...found } = kinds.run.schema.parse(config);
      const { trainingId, state, commit, params, data, metrics } = found;
      return {
        trainingId,
        state,
        commit,
        params,
        data,
        metrics,
        segments: segments.length,
        previous,
        endedAt: segments.at(-1)?.endedAt ?? null,
      };
    }
    case 'package': {
      const { name, metrics } = packageFacts(manifest);
      return { name, metrics };
    }
    case 'release': {
      const { name, environment, config: values } = kinds.release.schema.parse(config);
      return { name, environment, config: values };
    }
    case 'data': {
      const { name, files, bytes } = kinds.data.schema.parse(config);
      return { name, files, bytes };
    }
    case 'checkpoint': {
      const { trainingId, name, step = null, metrics, madeAt } = kinds.checkpoint.schema.parse(config);
      return { trainingId, name, step, metrics, madeAt };
    }
    case 'deployment': {
      const { name, environment, outcome, endpoint, endedAt } = kinds.deployment.schema.parse(config);
      return { name, environment, outcome, endpoint, endedAt };
    }
  }
}

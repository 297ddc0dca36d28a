import type { ServerConfig } from '../../records/program.ts';
import type { ReleaseConfig } from '../../records/release.ts';
import type { KubernetesTarget } from '../../records/target.ts';

/** How a pod gets the model: as the volume of an image, or pulled by an init container. All references are by digest. */
export type ModelSource =
  | { readonly kind: 'image'; readonly reference: string }
  | {
      readonly kind: 'pull';
      /** The image of the container that pulls, with oras in it. */
      readonly by: string;
      /** The package. */
      readonly reference: string;
      /** Whether its registry is spoken to without TLS. */
      readonly plainHttp: boolean;
    };

/** A file of the server's source. */
export interface SourceFile {
  /** Relative to the source's folder, with `/`. */
  readonly path: string;
  readonly isExecutable: boolean;
  readonly bytes: Buffer;
}

/** All that the manifests of a release are made of. */
export interface Rendering {
  readonly config: Omit<ReleaseConfig, 'target'>;
  readonly target: KubernetesTarget;
  readonly server: ServerConfig;
  /** The server's container image, by digest. */
  readonly serverImage: string;
  readonly model: ModelSource;
  /** The model's first file, relative to the folder of the models. */
  readonly modelFile: string;
  readonly source: readonly SourceFile[];
}

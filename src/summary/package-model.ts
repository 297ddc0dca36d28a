import { code, digests, plain, table } from '../github/markdown.ts';
import type { MirrorOutcome } from '../package/mirror/tell.ts';
import type { Packaged } from '../package/package.ts';
import { failureOf } from '../package/thresholds.ts';
import { TITLE } from '../records/oci.ts';
import { figure, short } from './figures.ts';

/** The package: its gates, what is inside, where it goes next, and what MLflow was told. */
export function packageSummary(
  { project, run, gates, package: packaged, image }: Packaged,
  limits: string | undefined,
  mirrored?: MirrorOutcome,
): string {
  const name = plain(project.name);
  const verdict =
    packaged === undefined
      ? `### ❌ ${name} · run ${short(run.digest)} is not packaged: ${plain(failureOf(gates) ?? '')}`
      : `### 📦 ${name} · package ${short(packaged.digest)} of run ${short(run.digest)}`;
  const metrics = Object.entries(run.config.metrics).map(([metric, value]) => {
    const gate = gates.find((candidate) => candidate.metric === metric);
    return [
      code(metric),
      // Rounded, a value that fails could look as if it held.
      gate?.holds === false ? String(value) : figure(value),
      gate === undefined ? '–' : `${gate.holds ? '✅' : '❌'} ${gate.wanted}`,
    ];
  });
  const missing = gates
    .filter(({ found }) => found === undefined)
    .map(({ metric, wanted }) => [code(metric), 'missing', `❌ ${wanted}`]);
  const files = (packaged?.manifest.layers ?? []).map(({ mediaType, size, annotations }) => [
    code(annotations?.[TITLE] ?? ''),
    mediaType.replace(/^application\/vnd\.cncf\.model\.|\.v1\.raw$/g, ''),
    size.toLocaleString('en'),
  ]);
  const { format, paramSize, precision, quantization } = packaged?.config.config ?? {};
  const facts = [format, paramSize && `${paramSize} parameters`, precision, quantization].filter(Boolean);
  return [
    verdict,
    plain(facts.join(' · ')),
    table(['metric', '>value', 'gate'], [...metrics, ...missing]),
    files.length > 0 ? table(['file', 'kind', '>bytes'], files) : '',
    limits === undefined ? '' : `_${plain(limits)}_`,
    mirrored === undefined ? '' : mirrorLine(name, mirrored),
    digests([
      ['run', run.digest],
      ...(packaged === undefined ? [] : [['package', packaged.digest] as const]),
      ...(image === undefined ? [] : [['image', image] as const]),
    ]),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function mirrorLine(name: string, mirrored: MirrorOutcome): string {
  if ('problem' in mirrored) return `⚠ **MLflow** was not told all of it: ${plain(mirrored.problem)}`;
  const { page, version } = mirrored;
  const what = version === undefined ? 'the run' : `the run, and version ${plain(version)} of ${name}`;
  return `**MLflow** has ${what}: ${code(page)}`;
}

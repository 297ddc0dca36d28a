import { UserError } from '../../lib/errors.ts';
import type { Place } from './place.ts';
import { event } from './types/event.ts';
import { follow } from './watch.ts';

/** What the cluster warned of, pod by pod. */
export type Warnings = Map<string, readonly string[]>;

/** Kubernetes says of a failing probe in events alone; those of pods that are being ended are nobody's. */
const OURS = /^(Unhealthy|Failed\w*|BackOff|NetworkNotReady)$/;

/** Notes warnings until aborted. Who may not read events goes without. */
export async function followWarnings(
  { api, namespace }: Place,
  warnings: Warnings,
  signal: AbortSignal,
  onChange: () => void,
): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/events`;
  const query = { fieldSelector: 'involvedObject.kind=Pod,type=Warning' };
  try {
    for await (const found of follow(api, path, event, query, signal)) {
      for (const { involvedObject, reason = '', message = '' } of found)
        if (OURS.test(reason)) add(warnings, involvedObject.name ?? '', message.trim());
      onChange();
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
  }
}

function add(warnings: Warnings, name: string, message: string): void {
  const known = warnings.get(name) ?? [];
  if (!known.includes(message)) warnings.set(name, [...known, message]);
}

import { MachineError } from '../../lib/errors.ts';
import type { WebAnswer } from '../../lib/web-answer.ts';

/**
 * Where an answer says that its next page is (`Link: <…>; rel="next"`, RFC 8288); undefined for the last one. Registries behind
 * proxies may give a wrong scheme or host there, so only path and query count.
 * @throws MachineError for a page that would come for ever
 */
export function nextPage({ headers, url }: WebAnswer): URL | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(headers.link ?? '')?.[1];
  if (target === undefined || !URL.canParse(target, url.href)) return undefined;
  const { pathname, search } = new URL(target, url);
  const next = new URL(`${pathname}${search}`, url);
  if (next.href === url.href)
    throw new MachineError(`${url.host} gives the same page of a list again and again`);
  return next;
}

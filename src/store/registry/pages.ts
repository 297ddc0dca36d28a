import type { WebAnswer } from '../../lib/web.ts';

/** Where an answer says that its next page is (`Link: <…>; rel="next"`, RFC 8288); undefined for the last one. */
export function nextPage({ headers, url }: WebAnswer): URL | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(headers.link ?? '')?.[1];
  return target === undefined ? undefined : new URL(target, url);
}

import type { LayoutStore } from '../../src/store/layout.ts';
import type { Store } from '../../src/store/store.ts';

/** A folder as a store that can do what every store can, and nothing besides: no files of its own, no removal, no times. */
export function bareStore(from: LayoutStore): Store {
  return {
    location: from.location,
    has: (digest) => from.has(digest),
    read: (digest) => from.read(digest),
    peek: (digest, offset, length) => from.peek(digest, offset, length),
    write: (content, expected) => from.write(content, expected),
    put: (manifest, names) => from.put(manifest, names),
    get: (digest) => from.get(digest),
    children: (digest) => from.children(digest),
    names: (prefix) => from.names(prefix),
    resolve: (name) => from.resolve(name),
    take: async () => false,
    scratch: () => from.scratch(),
  };
}

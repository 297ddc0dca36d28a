/** The version of this library; the release script keeps it and package.json the same. */
export const VERSION = '1.0.0';

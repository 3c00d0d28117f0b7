/**
 * A host name made from a server's name, by nova's rule: Latin-1 only, blanks, dots and underlines become dashes, other
 * characters go, at most 63; `Server-<id>` when nothing is left.
 */
export function hostnameFrom(name: string, id: string): string {
  const cleaned = name
    // eslint-disable-next-line no-control-regex
    .replace(/[^\u0000-\u00ff]/g, '')
    .replace(/[ _.]/g, '-')
    .replace(/[^A-Za-z0-9-]+/g, '')
    .toLowerCase()
    .replace(/^-+|-+$/g, '')
    .slice(0, 63)
    .replace(/-+$/, '');
  return cleaned === '' ? `Server-${id}` : cleaned;
}

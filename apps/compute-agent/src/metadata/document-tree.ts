/**
 * What a directory of the metadata service lists: OpenStack's trees give plain names, EC2's mark directories with a
 * slash (clients of each walk the tree by that).
 */
export function listing(paths: string[], directory: string): string[] {
  const prefix = directory === '' ? '' : `${directory}/`;
  const openStack = directory === 'openstack' || directory.startsWith('openstack/');
  const names = new Map<string, boolean>();
  for (const path of paths) {
    if (!path.startsWith(prefix)) continue;
    const [name, ...rest] = path.slice(prefix.length).split('/');
    if (name) names.set(name, (names.get(name) ?? false) || rest.length > 0);
  }
  // At the root only the EC2 versions are listed, as nova does: its clients look for `openstack` by name.
  return [...names].filter(([name]) => directory !== '' || name !== 'openstack').sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, isDirectory]) => (isDirectory && !openStack && directory !== '' ? `${name}/` : name));
}

/** Where a server listens, as Node's `listen` takes it. */
export type ListenTarget = { path: string } | { fd: number } | { host: string; port: number };

/** host:port, unix:/path, or fd:N for a listening socket that this process was given when it was started. */
export function listenTarget(listen: string): ListenTarget {
  if (listen.startsWith('unix:')) return { path: listen.slice('unix:'.length) };
  if (listen.startsWith('fd:')) return { fd: Number(listen.slice('fd:'.length)) };
  const at = listen.lastIndexOf(':');
  return { host: listen.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(listen.slice(at + 1)) };
}

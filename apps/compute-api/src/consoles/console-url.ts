import type { ConsoleProtocol } from '@virga/contracts';

export interface ConsoleUrlSettings {
  /** Where browsers reach a console proxy, without a slash at the end. */
  url: string;
  /** Another address for serial lines, e.g. `ws://host:6080/` for programs that want a WebSocket; empty: a page. */
  serialUrl: string;
  /**
   * True: the token stands behind `#`, which browsers keep to themselves. False: in the query, where OpenStack's own
   * clients look for it.
   */
  tokenInFragment: boolean;
}

/** A UUID needs no escapes, in whatever part of a URL. */
export function consoleUrl({ url, serialUrl, tokenInFragment }: ConsoleUrlSettings, protocol: ConsoleProtocol, page: string, token: string): string {
  if (protocol === 'serial' && serialUrl !== '') return `${serialUrl}?token=${token}`;
  if (tokenInFragment) return `${url}/${page}#token=${token}`;
  // noVNC's own page takes the path of its WebSocket from the query, and the token within that.
  return protocol === 'vnc' ? `${url}/${page}?path=%3Ftoken%3D${token}` : `${url}/${page}?token=${token}`;
}

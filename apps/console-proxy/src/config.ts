import { Type, type Static } from '@sinclair/typebox';
import { TlsConfig } from '@virga/mutual-tls';
import { BusConfig, CommonConfig, loadConfig } from '@virga/service';

export const ConsoleProxyConfig = Type.Object({
  ...CommonConfig,
  ...BusConfig,
  ...TlsConfig,
  VIRGA_LISTEN: Type.String({ default: '127.0.0.1:6080', description: 'host:port where browsers will reach consoles.' }),
});
export type ConsoleProxyConfig = Static<typeof ConsoleProxyConfig>;

export const readConfig = (): ConsoleProxyConfig => loadConfig(ConsoleProxyConfig, process.env);

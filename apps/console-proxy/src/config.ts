import { Type, type Static } from '@sinclair/typebox';
import { TlsConfig } from '@virga/mutual-tls';
import { BusConfig, CommonConfig, loadConfig } from '@virga/service';

export const ConsoleProxyConfig = Type.Object({
  ...CommonConfig,
  ...BusConfig,
  ...TlsConfig,
  VIRGA_LISTEN: Type.String({ default: '127.0.0.1:6080', description: 'host:port where browsers will reach consoles.' }),
  VIRGA_CONSOLE_ALLOWED_ORIGINS: Type.String({ default: '', description: 'Origins besides the proxy\'s own whose pages may open consoles, separated by commas, e.g. of a dashboard with a terminal of its own.' }),
  VIRGA_CONSOLE_FRAME_ANCESTORS: Type.String({ default: '', pattern: '^[^;,\'\\r\\n]*$', description: 'Origins besides the proxy\'s own that may show a console in a frame, with blanks between them, as in a content security policy; a dashboard\'s goes here.' }),
  VIRGA_CONSOLE_MAX_PER_ADDRESS: Type.Integer({ default: 256, minimum: 1, description: 'Connections that one address may hold open.' }),
  VIRGA_CONSOLE_IDLE_MINUTES: Type.Integer({ default: 60, minimum: 1, description: 'After this long without a byte from the browser a console is closed.' }),
});
export type ConsoleProxyConfig = Static<typeof ConsoleProxyConfig>;

export const readConfig = (): ConsoleProxyConfig => loadConfig(ConsoleProxyConfig, process.env);

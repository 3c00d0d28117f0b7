import { Type } from '@sinclair/typebox';
import { ApiConfig, BusConfig, CommonConfig, DatabaseConfig, loadConfig } from '@virga/service';

export const NetworkConfig = Type.Object({
  ...CommonConfig, ...DatabaseConfig, ...BusConfig, ...ApiConfig,
  VIRGA_LISTEN: Type.String({ default: '127.0.0.1:9696', description: 'Where the networking API is served: host:port or unix:/path.' }),
  VIRGA_NETWORK_OVN_NB: Type.String({ description: 'OVN northbound database: unix:/path, tcp:host:port or ssl:host:port; several separated by commas.' }),
  VIRGA_NETWORK_OVN_SB: Type.String({ description: 'OVN southbound database, in the same form.' }),
  VIRGA_NETWORK_PHYSNETS: Type.String({ default: '', description: 'Physical networks that hosts have a bridge for, separated by commas, e.g. physnet1.' }),
  VIRGA_NETWORK_UNDERLAY_MTU: Type.Integer({ default: 1500, minimum: 576, description: 'MTU of the network between the hosts, bytes.' }),
  VIRGA_NETWORK_AVAILABILITY_ZONE: Type.String({ default: 'nova', description: 'Name of the availability zone of networks and routers.' }),
  VIRGA_NETWORK_RECONCILE_SECONDS: Type.Integer({ default: 60, minimum: 1, description: 'How often all northbound rows are compared with the tables.' }),
});

const DatabaseOnly = Type.Object({ ...CommonConfig, ...DatabaseConfig });

export const readConfig = () => loadConfig(NetworkConfig, process.env);
/** What migrations need. */
export const readDatabaseConfig = () => loadConfig(DatabaseOnly, process.env);
export const listOf = (text: string): string[] => text.split(',').map((part) => part.trim()).filter((part) => part !== '');

import { Type, type Static } from '@sinclair/typebox';
import { BusConfig, CommonConfig, DatabaseConfig, loadConfig } from '@virga/service';

export const MigrateConfig = Type.Object({ ...DatabaseConfig, VIRGA_LOG_LEVEL: CommonConfig.VIRGA_LOG_LEVEL });

const ratio = (resource: string, standard: number) => Type.Number({
  default: standard, exclusiveMinimum: 0, maximum: 64, description: `How many times over the ${resource} of a host may be given away.`,
});

export const SchedulerConfig = Type.Object({
  ...CommonConfig, ...DatabaseConfig, ...BusConfig,
  VIRGA_SCHEDULER_CPU_RATIO: ratio('processors', 4),
  VIRGA_SCHEDULER_RAM_RATIO: ratio('memory', 1),
  VIRGA_SCHEDULER_DISK_RATIO: ratio('disk', 1),
  VIRGA_SCHEDULER_RESERVED_CPUS: Type.Integer({ default: 0, minimum: 0, description: 'Processors that each host keeps for itself.' }),
  VIRGA_SCHEDULER_RESERVED_RAM_MB: Type.Integer({ default: 512, minimum: 0, description: 'Memory that each host keeps for itself, MB.' }),
  VIRGA_SCHEDULER_RESERVED_DISK_GB: Type.Integer({ default: 0, minimum: 0, description: 'Disk that each host keeps for itself, GB.' }),
  VIRGA_SCHEDULER_DEFAULT_ZONE: Type.String({ default: 'nova', minLength: 1, description: 'Availability zone of hosts that are reported without one.' }),
  VIRGA_SCHEDULER_VIEW_MS: Type.Integer({
    default: 1000, minimum: 0, description: 'How old the picture of all hosts in memory may be, ms; a claim is checked in the database in any case.',
  }),
});
export type SchedulerConfig = Static<typeof SchedulerConfig>;

export const schedulerConfig = (): SchedulerConfig => loadConfig(SchedulerConfig, process.env);
export const migrateConfig = (): Static<typeof MigrateConfig> => loadConfig(MigrateConfig, process.env);

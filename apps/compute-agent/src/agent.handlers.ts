import type { hostAgentContract } from '@virga/contracts';
import type { Logger } from '@virga/core';
import type { Handlers } from '@virga/rpc';
import type { CommandRunner } from './commands/command-runner';
import { NO_CONSOLES, type ConsoleDesk } from './consoles/console-desk';
import { cleanUp } from './hosts/clean-up';
import { takeInventory } from './hosts/take-inventory';
import type { InstanceHost } from './instances/instance-host';
import type { MigrationHost } from './migration/migration-host';

/** What the control plane may ask of this host. */
export const agentHandlers = (host: InstanceHost, runner: CommandRunner, logger: Logger, consoles: ConsoleDesk = NO_CONSOLES, moving?: MigrationHost): Handlers<typeof hostAgentContract> => ({
  execute: (command) => runner.accept(command),
  cancelCommand: async ({ instanceId, commandId }) => { runner.cancel(instanceId, commandId); return {}; },
  consoleOutput: async ({ instanceId, lines }) => ({ outputBase64: (await host.workshop.consoleOutput(instanceId, lines)).toString('base64') }),
  consoles: ({ instanceId }) => consoles.describe(instanceId),
  grantConsole: async ({ instanceId, protocol, grantHash, ttlMs, onlyRunning }) => ({ state: await consoles.grant(instanceId, protocol, grantHash, ttlMs, onlyRunning) }),
  diagnostics: async ({ instanceId }) => ({ diagnostics: await host.driver.diagnostics(instanceId) }),
  // The sender does not wait and asks again when it wants to: a failure is for the log alone.
  fetchImages: ({ images }) => host.workshop.fetchImages(images).catch((error: unknown) => logger.warn({ err: error, images: images.map(({ id }) => id) }, 'images not fetched in advance')),
  checkMigration: async ({ spec, comesFrom }) => moving?.check(spec, comesFrom) ?? { reasons: ['it does not move running guests'], absentImages: [] },
  dropMigrationStream: async ({ instanceId }) => ({ dropped: await (moving?.dropStream(instanceId) ?? 0) }),
  inventory: () => takeInventory(host, runner),
  cleanup: async (decision) => { await cleanUp(host, runner, decision, logger); return {}; },
});

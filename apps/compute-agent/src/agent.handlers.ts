import { join } from 'node:path';
import type { hostAgentContract } from '@virga/contracts';
import type { Handlers } from '@virga/rpc';
import type { CommandRunner } from './commands/command-runner';
import { readConsoleLog } from './consoles/console-log';
import { CONSOLE_LOG } from './instances/guest-parts';
import type { InstanceHost } from './instances/instance-host';

/** What the control plane may ask of this host. */
export const agentHandlers = (host: InstanceHost, runner: CommandRunner): Handlers<typeof hostAgentContract> => ({
  execute: (command) => runner.accept(command),
  consoleOutput: async ({ instanceId, lines }) => {
    await host.store.spec(instanceId);
    const output = await readConsoleLog(join(host.store.dir(instanceId), CONSOLE_LOG), host.config.VIRGA_AGENT_CONSOLE_LOG_BYTES / 2, lines);
    return { outputBase64: output.toString('base64') };
  },
  diagnostics: async ({ instanceId }) => ({ diagnostics: await host.driver.diagnostics(instanceId) }),
});

import { badRequest, type Logger } from '@virga/core';
import type { CommandRunner } from '../commands/command-runner';
import { destroy } from '../instances/destroy';
import type { InstanceHost } from '../instances/instance-host';

/**
 * Takes away all that is left here of an instance, if the host still knows no newer generation of it than the one by
 * which that was decided (`aside`: only what was put aside of it); without an instance, what no instance here needs.
 */
export async function cleanUp(host: InstanceHost, runner: CommandRunner, { instanceId, generation, aside = false }: { instanceId?: string; generation?: number; aside?: boolean }, logger: Logger): Promise<void> {
  if (instanceId === undefined) return host.workshop.tidy();
  if (generation === undefined) throw badRequest('A clean-up of an instance needs the generation by which it was decided.');
  await runner.exclusively(instanceId, generation, async () => {
    logger.warn({ instanceId, generation, aside }, 'remains of an instance that does not belong here are taken away');
    await (aside ? host.store.discardAside(instanceId) : destroy(host, instanceId));
  });
}

import { badRequest, type Logger } from '@virga/core';
import type { CommandRunner } from '../commands/command-runner';
import { destroy } from '../instances/destroy';
import type { InstanceHost } from '../instances/instance-host';

/**
 * Takes away all that is left here of an instance, if the host still knows no newer generation of it than the one by
 * which that was decided; without an instance, what no instance here needs.
 */
export async function cleanUp(host: InstanceHost, runner: CommandRunner, { instanceId, generation }: { instanceId?: string; generation?: number }, logger: Logger): Promise<void> {
  if (instanceId === undefined) return host.workshop.tidy();
  if (generation === undefined) throw badRequest('A clean-up of an instance needs the generation by which it was decided.');
  await runner.exclusively(instanceId, generation, async () => {
    logger.warn({ instanceId, generation }, 'remains of an instance that does not belong here are taken away');
    await destroy(host, instanceId);
  });
}

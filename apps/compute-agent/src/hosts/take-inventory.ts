import type { HostHolding, HostInventory } from '@virga/contracts';
import type { CommandRunner } from '../commands/command-runner';
import type { InstanceHost } from '../instances/instance-host';

/** All that this host has of instances, as found: machines, directories and cards, also those that nobody remembers. */
export async function takeInventory({ driver, store, workshop }: InstanceHost, runner: CommandRunner): Promise<HostInventory> {
  // Who is busy is asked before and after: what came or went in between belongs to a command.
  const [directories, machines, { taps, ...rest }, kept] = await Promise.all([store.list(), driver.list(), workshop.holdings(), store.listAside()]);
  const powerStates = new Map(machines.map(({ instanceId, powerState }) => [instanceId, powerState]));
  const cards = new Map<string, string[]>();
  for (const { name, instanceId } of taps) cards.set(instanceId, [...(cards.get(instanceId) ?? []), name]);
  const known = new Set(directories);
  const ids = new Set([...known, ...powerStates.keys(), ...cards.keys()]);
  const holdings = [...ids].sort().map((instanceId): HostHolding => {
    const powerState = powerStates.get(instanceId);
    return {
      instanceId, ...(powerState !== undefined && { powerState }), directory: known.has(instanceId), taps: cards.get(instanceId) ?? [],
      generation: runner.generation(instanceId), busy: runner.isBusy(instanceId),
    };
  });
  const aside = kept.sort().map((instanceId) => ({ instanceId, generation: runner.generation(instanceId), busy: runner.isBusy(instanceId) }));
  return { holdings, aside, ...rest };
}

import { isUuid, newUuid } from '@virga/core';
import { fleetHostId, fleetOf, fleetPermissions, fleetUser, isAgentUser, speaksFor } from './topology';

const ids = Array.from({ length: 500 }, (_, index) => fleetHostId('lab', index));

it('gives each simulated host an id of its own, always the same', () => {
  expect(new Set(ids).size).toBe(500);
  expect(ids.every(isUuid)).toBe(true);
  expect(fleetHostId('lab', 7)).toBe(ids[7]);
});

it('lets a fleet speak for its own hosts and for nobody else', () => {
  for (const id of ids) expect([speaksFor('fleet-lab', id), fleetOf('fleet-lab', id)]).toEqual([true, 'lab']);
  const foreign = fleetHostId('other', 7);
  for (const [sender, id] of [['fleet-lab', foreign], ['fleet-lab', newUuid()], ['fleet-', ids[0]!], ['fleet-LAB', ids[0]!], ['conductor', ids[0]!], ['', ids[0]!], [`agent-${foreign}`, ids[0]!]] as const) {
    expect([sender, speaksFor(sender, id)]).toEqual([sender, false]);
  }
  expect(speaksFor(`agent-${foreign}`, foreign)).toBe(true);
});

it('confines a fleet at the broker to the queues of its hosts', () => {
  const { configure, write, read } = fleetPermissions('lab');
  const may = (pattern: string, name: string) => new RegExp(pattern).test(name);
  for (const id of ids) expect([may(read, `host.${id}`), may(read, `host.${id}.rpc`), may(configure, `host.${id}.rpc`), may(configure, `host.${id}`)]).toEqual([true, true, true, false]);
  for (const name of [`host.${newUuid()}`, `host.${fleetHostId('other', 1)}.rpc`, `hostx${ids[0]}`, 'work.conductor', 'virga.dead', '']) expect([name, may(read, name), may(configure, name)]).toEqual([name, false, false]);
  expect([may(write, 'virga.agent'), may(write, 'virga.topic'), may(write, `host.${ids[0]}`)]).toEqual([true, false, false]);
});

it('is refused a name that would be a pattern', () => {
  for (const name of ['', 'a.b', 'A', '.*', '9', 'x'.repeat(33)]) expect(() => fleetUser(name)).toThrow(/fleet is named/);
  expect(isAgentUser(fleetUser('lab'))).toBe(true);
});

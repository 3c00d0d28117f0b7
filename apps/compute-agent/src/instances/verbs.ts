import type { VerbTable } from '../commands/command-runner';
import { build } from './build';
import { destroy } from './destroy';
import { migrationVerbs, noMigrationVerbs } from '../migration/verbs';
import type { MigrationHost } from '../migration/migration-host';
import type { InstanceHost } from './instance-host';
import { bringBack, discardAside, prepareMove, putAside, receiveDisks, startMoved } from './move';
import { attachNic, detachNic } from './nics';
import { pause, reboot, resume, start, stop, suspend, unpause } from './power';
import { rebuild } from './rebuild';
import { snapshot } from './snapshot';

/** The table of contents of this host: every verb and the file that does it. */
export const verbTable = (host: InstanceHost, moving?: MigrationHost): VerbTable => ({
  ...(moving ? migrationVerbs(moving) : noMigrationVerbs),
  build: (_id, spec, signal) => build(host, spec, signal),
  destroy: (id, args) => destroy(host, id, args),
  prepareMove: (_id, spec, signal) => prepareMove(host, spec, signal),
  putAside: (id, args) => putAside(host, id, args),
  receiveDisks: (_id, args, signal) => receiveDisks(host, args, signal),
  startMoved: (_id, args, signal) => startMoved(host, args, signal),
  bringBack: (_id, args, signal) => bringBack(host, args, signal),
  discardAside: (id) => discardAside(host, id),
  start: (id, _args, signal) => start(host, id, signal),
  stop: (id, args) => stop(host, id, args),
  reboot: (id, args, signal) => reboot(host, id, args, signal),
  pause: (id) => pause(host, id),
  unpause: (id) => unpause(host, id),
  suspend: (id) => suspend(host, id),
  resume: (id, _args, signal) => resume(host, id, signal),
  attachNic: (id, args, signal) => attachNic(host, id, args, signal),
  detachNic: (id, args) => detachNic(host, id, args),
  rebuild: (_id, args, signal) => rebuild(host, args, signal),
  snapshot: (id, args, signal) => snapshot(host, id, args, signal),
});

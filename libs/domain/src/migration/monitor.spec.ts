import { decideMigration, migrationEta, type MigrationLimits, type MigrationLook } from '.';

const MB = 1_000_000;
const limits: MigrationLimits = { maxDowntimeMs: 500, deadlineMs: 60_000, postCopy: true };
const look = (more: Partial<MigrationLook> = {}): MigrationLook => ({
  elapsedMs: 3000, mode: 'pre-copy', iteration: 1, memoryRemaining: 200 * MB, diskRemaining: 0, dirtyRate: 1 * MB, bandwidth: 117 * MB, downtimeMs: 300, forced: false, ...more,
});
const busy = { iteration: 3, dirtyRate: 400 * MB, memoryRemaining: 120 * MB };

it.each<[string, Partial<MigrationLook>, Partial<MigrationLimits>, unknown]>([
  ['nothing sent yet', { iteration: 0, bandwidth: 0 }, {}, { do: 'wait' }],
  ['the first pass', {}, {}, { do: 'wait' }],
  ['passes that get shorter', { iteration: 9, memoryRemaining: 100 * MB }, {}, { do: 'wait' }],
  ['a rest that an allowed pause would send', { iteration: 2, memoryRemaining: 50 * MB }, {}, { do: 'downtime', ms: 500 }],
  ['a rest that the present pause would send', { iteration: 2, memoryRemaining: 20 * MB }, {}, { do: 'wait' }],
  ['a pause that is at its limit', { iteration: 2, memoryRemaining: 50 * MB, downtimeMs: 500 }, {}, { do: 'wait' }],
  ['a guest faster than the link, early', { ...busy, iteration: 2 }, {}, { do: 'wait' }],
  ['a guest faster than the link', busy, {}, { do: 'post-copy' }],
  ['a guest almost as fast as the link', { ...busy, dirtyRate: 90 * MB }, {}, { do: 'post-copy' }],
  ['the same while its disk is copied', { ...busy, diskRemaining: 1 }, {}, { do: 'wait' }],
  ['the same without post-copy', busy, { postCopy: false }, { do: 'throttle' }],
  ['the deadline', { elapsedMs: 60_000 }, {}, { do: 'post-copy' }],
  ['the deadline without post-copy', { elapsedMs: 60_000 }, { postCopy: false }, { do: 'abort' }],
  ['the deadline with nothing sent', { elapsedMs: 60_000, iteration: 0 }, {}, { do: 'abort' }],
  ['the deadline with the disk not copied', { elapsedMs: 60_000, diskRemaining: 1 }, {}, { do: 'abort' }],
  ['force', { forced: true }, {}, { do: 'post-copy' }],
  ['force without post-copy', { forced: true }, { postCopy: false }, { do: 'pause' }],
  ['force before anything is sent', { forced: true, iteration: 0 }, {}, { do: 'wait' }],
  ['post-copy past the deadline', { mode: 'post-copy', elapsedMs: 90_000, forced: true }, {}, { do: 'wait' }],
])('%s', (_name, seen, allowed, decision) => expect(decideMigration(look(seen), { ...limits, ...allowed })).toEqual(decision));

it.each<[string, Partial<MigrationLook>, number | undefined]>([
  ['an idle guest', { memoryRemaining: 116 * MB, dirtyRate: MB }, 1000],
  ['with its disk', { memoryRemaining: 58 * MB, diskRemaining: 58 * MB, dirtyRate: MB }, 1000],
  ['a guest faster than the link', busy, undefined],
  ['the same after the switch', { ...busy, mode: 'post-copy', memoryRemaining: 117 * MB }, 1000],
  ['nothing known', { bandwidth: 0, dirtyRate: 0 }, undefined],
])('time left of %s', (_name, seen, ms) => expect(migrationEta(look(seen))).toBe(ms));

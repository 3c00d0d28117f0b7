import { SIMULATED_VERBS } from '../../apps/compute-agent/src/virt/fake/simulation';
import type { Random } from './random';
import { pause, type Stage } from './schedule';

const ACTIONS = [{ 'os-stop': null }, { 'os-stop': null }, { 'os-start': null }, { reboot: { type: 'HARD' } }, { reboot: { type: 'SOFT' } }, { pause: null }, { unpause: null }, { suspend: null }, { resume: null }];
const MOVES_OF_ADMINISTRATORS = [{ 'os-migrateLive': { host: null, block_migration: 'auto' } }, { 'os-migrateLive': { host: null, block_migration: 'auto' } }, { migrate: null }];
const WORDS = [{ confirmResize: null }, { revertResize: null }];

/** What users do, each as often as it stands here. */
const MOVES = [
  'create', 'create', 'create', 'create', 'remove', 'act', 'act', 'act', 'act', 'rebuild', 'attach', 'move', 'move', 'resize', 'answer', 'answer', 'hosts', 'freeze',
] as const;
export type Move = (typeof MOVES)[number];

/** What users and operators do; returns how many of their requests were accepted. */
export async function storm(stage: Stage, random: Random): Promise<number> {
  const { world } = stage;
  let accepted = 0;
  const open: Promise<void>[] = [];
  const servers = async () => await world.db.selectFrom('instances').select(['id', 'vm_state']).where('deleted_at', 'is', null).orderBy('id').execute();
  const send = (...request: Parameters<Stage['call']>) => { open.push(stage.call(...request).then(({ status }) => { if (status >= 200 && status < 300) accepted++; })); };
  const onOne = async (act: (id: string) => void, state?: string) => {
    const all = (await servers()).filter(({ vm_state: is }) => state === undefined || is === state);
    if (all.length > 0) act(random.pick(all).id);
  };
  const action = (body: object, { admin = false, state }: { admin?: boolean; state?: string } = {}) => onOne((id) => send('POST', `/v2.1/servers/${id}/action`, body, admin), state);
  const moves: Record<Move, () => unknown> = {
    create: () => send('POST', '/v2.1/servers', { server: { name: 's', imageRef: world.image, flavorRef: world.flavor, networks: random.chance(0.3) ? 'none' : [{ uuid: world.net }] } }),
    remove: () => onOne((id) => send('DELETE', `/v2.1/servers/${id}`)),
    act: () => action(random.pick(ACTIONS)),
    rebuild: () => action({ rebuild: { imageRef: world.image } }),
    attach: () => onOne((id) => send('POST', `/v2.1/servers/${id}/os-interface`, { interfaceAttachment: { net_id: world.net } })),
    move: () => action(random.pick(MOVES_OF_ADMINISTRATORS), { admin: true }),
    resize: () => action({ resize: { flavorRef: random.pick([world.flavor, world.largeFlavor]) } }),
    // A resize or migration that nobody has said anything to keeps its room on two hosts, and may stay so.
    answer: () => action(random.pick(WORDS), { state: 'resized' }),
    hosts: () => stage.refuse(random.pick(SIMULATED_VERBS), random.pick([0, 0.5, 1])),
    // The whole machine stands still: for everybody time is over at once.
    freeze: () => { stage.count('freeze'); world.time.now += random.pick([5000, 40_000, 200_000]); },
  };
  moves.create();
  for (let turn = 2 + random.below(11); turn > 0; turn--) {
    await pause(random.below(random.pick([5, 300, 3000, 8000])));
    await moves[random.pick(stage.bug.moves ?? MOVES)]();
  }
  await Promise.all(open);
  return accepted;
}

import type { Selectable } from '@virga/db';
import type { KeypairsTable } from '../db/schema';
import { microTime } from '../times';

export type Keypair = Selectable<KeypairsTable>;

const type = (keypair: Keypair, at: number) => (at >= 2 ? { type: keypair.type } : {});

export const keypairListed = (keypair: Keypair, at: number) => ({
  keypair: { name: keypair.name, public_key: keypair.public_key, fingerprint: keypair.fingerprint, ...type(keypair, at) },
});

export const keypairCreated = (keypair: Keypair, at: number, privateKey?: string) => ({
  keypair: {
    ...(privateKey !== undefined && { private_key: privateKey }), ...type(keypair, at), name: keypair.name, public_key: keypair.public_key,
    fingerprint: keypair.fingerprint, user_id: keypair.user_id,
  },
});

export const keypairShown = (keypair: Keypair, at: number) => ({
  keypair: {
    name: keypair.name, public_key: keypair.public_key, fingerprint: keypair.fingerprint, user_id: keypair.user_id, created_at: microTime(keypair.created_at),
    deleted: false, deleted_at: null, id: keypair.id, updated_at: null, ...type(keypair, at),
  },
});

import { Type, type TSchema } from '@sinclair/typebox';
import type { VersionSteps } from '@virga/rest';

const strict = { additionalProperties: false };
const PublicKey = Type.String({ maxLength: 65_535 });
/** Until 2.92: letters, digits, space, hyphen and underscore; then also at and dot. */
const OldName = Type.String({ minLength: 1, maxLength: 255, pattern: '^(?! )[A-Za-z0-9_ -]+(?<! )$' });
const NewName = Type.String({ minLength: 1, maxLength: 255, pattern: '^(?! )[A-Za-z0-9_ .@-]+(?<! )$' });
const KeyType = Type.Optional(Type.Union([Type.Literal('ssh'), Type.Literal('x509')]));
const UserId = Type.Optional(Type.String({ minLength: 1, maxLength: 255 }));

const body = (keypair: Record<string, TSchema>) => Type.Object({ keypair: Type.Object(keypair, strict) }, strict);
export interface CreateKeypairBody { keypair: { name: string; public_key?: string; type?: 'ssh' | 'x509'; user_id?: string } }
export const CreateKeypair = [
  ['2.1', body({ name: OldName, public_key: Type.Optional(PublicKey) })],
  ['2.2', body({ name: OldName, public_key: Type.Optional(PublicKey), type: KeyType })],
  ['2.10', body({ name: OldName, public_key: Type.Optional(PublicKey), type: KeyType, user_id: UserId })],
  // From here on the server makes no keys any more.
  ['2.92', body({ name: NewName, public_key: PublicKey, type: KeyType, user_id: UserId })],
] as const satisfies VersionSteps<TSchema>;

import { Type } from '@sinclair/typebox';

const strict = { additionalProperties: false };
const Name = Type.String({ minLength: 1, maxLength: 255, pattern: '^(?!\\s)[^\\x00-\\x1f\\x7f]+(?<!\\s)$' });
/** A colon would make `zone:host` ambiguous. */
const Zone = Type.Union([Type.String({ minLength: 1, maxLength: 255, pattern: '^(?!\\s)[^\\x00-\\x1f\\x7f:]+(?<!\\s)$' }), Type.Null()]);
const Host = Type.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9-._]*$' });

export const CreateAggregate = Type.Object({ aggregate: Type.Object({ name: Name, availability_zone: Type.Optional(Zone) }, strict) }, strict);
export const UpdateAggregate = Type.Object({ aggregate: Type.Object({ name: Type.Optional(Name), availability_zone: Type.Optional(Zone) }, { ...strict, minProperties: 1 }) }, strict);

export const AddHost = Type.Object({ add_host: Type.Object({ host: Host }, strict) }, strict);
export const RemoveHost = Type.Object({ remove_host: Type.Object({ host: Host }, strict) }, strict);
/** Null removes a key. */
export const SetMetadata = Type.Object({
  set_metadata: Type.Object({
    metadata: Type.Record(Type.String({ pattern: '^[a-zA-Z0-9-_:. ]{1,255}$' }), Type.Union([Type.String({ maxLength: 255 }), Type.Null()]), strict),
  }, strict),
}, strict);
export const CacheImages = Type.Object({ cache: Type.Array(Type.Object({ id: Type.String({ format: 'uuid' }) }, strict), { minItems: 1 }) }, strict);

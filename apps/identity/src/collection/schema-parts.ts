import { Type } from '@sinclair/typebox';

/** At least one character that is no space; no NUL. */
export const nameOf = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: '[\\S]+', format: 'text' });
export const Name64 = nameOf(64);
export const Name255 = nameOf(255);
export const Id = Type.String({ minLength: 1, maxLength: 64, pattern: '^[a-zA-Z0-9-]+$' });
export const NullableId = Type.Union([Id, Type.Null()]);
export const Description = Type.Union([Type.String({ maxLength: 16_000, format: 'text' }), Type.Null()]);
export const Enabled = Type.Boolean();
export const Tag = Type.String({ minLength: 1, maxLength: 255, pattern: '^[^,/]*$', format: 'text' });
export const Tags = Type.Array(Tag, { maxItems: 80, uniqueItems: true });
export const ImmutableOption = Type.Object({ immutable: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])) }, { additionalProperties: false });
/** Filters, flags and paging; each list reads the ones it knows. */
export const AnyQuery = Type.Record(Type.String(), Type.Union([Type.String({ maxLength: 4096 }), Type.Array(Type.String({ maxLength: 4096 }))]));

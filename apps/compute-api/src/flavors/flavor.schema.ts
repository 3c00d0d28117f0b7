import { Type } from '@sinclair/typebox';
import type { VersionSteps } from '@virga/rest';
import type { TSchema } from '@sinclair/typebox';

/** Largest value of a 32-bit column. */
const MAX = 0x7fffffff;
/** nova takes numbers also as strings of digits. */
const count = (minimum: number) => Type.Union([Type.Integer({ minimum, maximum: MAX }), Type.String({ pattern: '^[0-9]+$', maxLength: 10 })]);
const strict = { additionalProperties: false };
const Name = Type.String({ minLength: 1, maxLength: 255, pattern: '^(?!\\s)[\\s\\S]*(?<!\\s)$' });
const Description = Type.Union([Type.String({ maxLength: 65_535 }), Type.Null()]);

const create = {
  name: Name,
  ram: count(1),
  vcpus: count(1),
  disk: count(0),
  id: Type.Optional(Type.Union([Type.String({ minLength: 1, maxLength: 255, pattern: '^(?! )[a-zA-Z0-9. _-]+(?<! )$' }), Type.Integer(), Type.Null()])),
  'OS-FLV-EXT-DATA:ephemeral': Type.Optional(count(0)),
  swap: Type.Optional(count(0)),
  rxtx_factor: Type.Optional(Type.Union([Type.Number({ minimum: 0, maximum: 3.40282e38 }), Type.String({ pattern: '^[0-9]+(\\.[0-9]+)?$' })])),
  'os-flavor-access:is_public': Type.Optional(Type.Union([Type.Boolean(), Type.String({ pattern: '^([Tt]rue|[Ff]alse|TRUE|FALSE|[Yy]es|[Nn]o|YES|NO|[Oo]n|[Oo]ff|ON|OFF|0|1)$' })])),
};
export const CreateFlavor = [
  ['2.1', Type.Object({ flavor: Type.Object(create, strict) }, strict)],
  ['2.55', Type.Object({ flavor: Type.Object({ ...create, description: Type.Optional(Description) }, strict) }, strict)],
] as const satisfies VersionSteps<TSchema>;

export const UpdateFlavor = [
  ['2.55', Type.Object({ flavor: Type.Object({ description: Description }, strict) }, strict)],
] as const satisfies VersionSteps<TSchema>;

const SpecKey = '^[a-zA-Z0-9-_:. ]{1,255}$';
/** Numbers are kept as text, as nova does. */
const SpecValue = Type.Union([Type.String({ maxLength: 255 }), Type.Number()]);
export const CreateExtraSpecs = Type.Object({ extra_specs: Type.Record(Type.String({ pattern: SpecKey }), SpecValue, strict) }, strict);
export const UpdateExtraSpec = Type.Record(Type.String({ pattern: SpecKey }), SpecValue, { ...strict, minProperties: 1, maxProperties: 1 });

const Project = Type.Object({ tenant: Type.String({ minLength: 1, maxLength: 255 }) }, strict);
export const FlavorAction = Type.Union([
  Type.Object({ addTenantAccess: Project }, strict),
  Type.Object({ removeTenantAccess: Project }, strict),
]);

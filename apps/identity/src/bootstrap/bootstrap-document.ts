import { Type, type Static } from '@sinclair/typebox';
import { inputFault } from '@virga/rest';

const Password = Type.String({ minLength: 1, maxLength: 4096 });
const Url = Type.String({ minLength: 1, maxLength: 2000 });

/** What a new cloud starts with; comes on standard input as JSON. */
export const BootstrapDocument = Type.Object({
  admin: Type.Object({ password: Password }, { additionalProperties: false }),
  demo: Type.Optional(Type.Object({ password: Password }, { additionalProperties: false })),
  region: Type.String({ minLength: 1, maxLength: 255 }),
  services: Type.Array(Type.Object({
    type: Type.String({ minLength: 1, maxLength: 255 }),
    name: Type.String({ minLength: 1, maxLength: 255 }),
    endpoints: Type.Object({
      public: Type.Optional(Url), internal: Type.Optional(Url), admin: Type.Optional(Url),
    }, { additionalProperties: false }),
  }, { additionalProperties: false })),
  serviceUsers: Type.Array(Type.Object({
    name: Type.String({ minLength: 1, maxLength: 255 }),
    password: Password,
  }, { additionalProperties: false })),
}, { additionalProperties: false });
export type BootstrapDocument = Static<typeof BootstrapDocument>;

/** Throws a sentence that names the wrong field and never its value, which may be a password. */
export function readBootstrapDocument(json: string): BootstrapDocument {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new Error('the bootstrap document on standard input is not JSON');
  }
  const fault = inputFault(BootstrapDocument, value);
  if (fault) throw new Error(`the bootstrap document is wrong at ${fault.path.join('.') || 'its root'}`);
  return value as BootstrapDocument;
}

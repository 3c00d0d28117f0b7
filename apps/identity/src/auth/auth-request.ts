import { Type, type Static } from '@sinclair/typebox';

const Id = Type.String({ minLength: 1, maxLength: 64 });
const Name = Type.String({ minLength: 1, maxLength: 255 });
const DomainReference = Type.Object({ id: Type.Optional(Id), name: Type.Optional(Name) });

/** One user, by id or by name and domain. */
export const UserReference = Type.Object({ id: Type.Optional(Id), name: Type.Optional(Name), domain: Type.Optional(DomainReference) });
export type UserReference = Static<typeof UserReference>;

/** POST /v3/auth/tokens. Other methods and scopes than these exist in OpenStack; they are refused when named. */
export const AuthRequest = Type.Object({
  auth: Type.Object({
    identity: Type.Object({
      methods: Type.Array(Type.String({ maxLength: 64 }), { maxItems: 8 }),
      password: Type.Optional(Type.Object({
        user: Type.Intersect([UserReference, Type.Object({ password: Type.String() })]),
      })),
      token: Type.Optional(Type.Object({ id: Type.String() })),
      application_credential: Type.Optional(Type.Object({
        id: Type.Optional(Id), name: Type.Optional(Name), secret: Type.String(), user: Type.Optional(UserReference),
      })),
    }),
    scope: Type.Optional(Type.Union([
      Type.Literal('unscoped'),
      Type.Object({
        project: Type.Optional(Type.Object({ id: Type.Optional(Id), name: Type.Optional(Name), domain: Type.Optional(DomainReference) })),
        domain: Type.Optional(DomainReference),
        system: Type.Optional(Type.Object({ all: Type.Optional(Type.Boolean()) })),
        unscoped: Type.Optional(Type.Object({})),
        'OS-TRUST:trust': Type.Optional(Type.Object({ id: Type.Optional(Id) })),
      }),
    ])),
  }),
});
export type AuthRequest = Static<typeof AuthRequest>;
export type Scope = Exclude<NonNullable<AuthRequest['auth']['scope']>, string>;

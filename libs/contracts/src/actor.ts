import { Type } from '@sinclair/typebox';

/** Who asked, for authorization and audit in another service (ActorRef of @virga/core). */
export const Actor = Type.Object({
  requestId: Type.String(),
  userId: Type.String(),
  projectId: Type.Union([Type.String(), Type.Null()]),
  roles: Type.Array(Type.String()),
});

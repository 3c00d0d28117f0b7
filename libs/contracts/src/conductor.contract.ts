import { Type } from '@sinclair/typebox';
import { cast, defineContract } from '@virga/rpc';

/** Served by the conductor. The database says what is to be done; this only says it sooner than the sweeper. */
export const conductorContract = defineContract('conductor', {
  wake: cast(Type.Object({ operationId: Type.String() })),
});

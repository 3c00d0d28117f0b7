import { forbidden, type RequestContext } from '@virga/core';

/**
 * What was lent for a purpose makes no lasting secrets and passes nothing on: 403 for tokens of a trust and of an
 * application credential.
 */
export function refuseDelegated(caller: RequestContext, rule: string): void {
  if (caller.trust || caller.accessRules || caller.methods?.includes('application_credential')) {
    throw forbidden(`You are not authorized to perform the requested action: ${rule}.`);
  }
}

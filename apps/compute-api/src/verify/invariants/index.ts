import type { Invariant } from '../invariant';
import { asideBelongs } from './aside-belongs';
import { allocationBelongs } from './allocation-belongs';
import { commandsHaveOperation } from './commands-have-operation';
import { domainIsOnItsHost } from './domain-is-on-its-host';
import { floatingIpHasPort } from './floating-ip-has-port';
import { guestIsOnOneHost } from './guest-is-on-one-host';
import { holdingBelongs } from './holding-belongs';
import { instanceHasAllocation } from './instance-has-allocation';
import { instanceHasHost } from './instance-has-host';
import { moveAwaitsWord } from './move-awaits-word';
import { nothingIsLoose } from './nothing-is-loose';
import { operationsAdvance } from './operations-advance';
import { outboxIsSent } from './outbox-is-sent';
import { ovnEqualsTables } from './ovn-equals-tables';
import { portBelongs } from './port-belongs';
import { portIsActive } from './port-is-active';
import { portIsBoundToHost } from './port-is-bound-to-host';
import { quotaEqualsRows } from './quota-equals-rows';
import { taskStateHasOperation } from './task-state-has-operation';
import { usedEqualsAllocations } from './used-equals-allocations';

/** What must hold of a cloud, the cheap first. */
export const INVARIANTS: readonly Invariant[] = [
  taskStateHasOperation, operationsAdvance, commandsHaveOperation, outboxIsSent, quotaEqualsRows, moveAwaitsWord, instanceHasHost,
  allocationBelongs, instanceHasAllocation, usedEqualsAllocations, portBelongs, portIsBoundToHost, portIsActive, ovnEqualsTables, floatingIpHasPort,
  guestIsOnOneHost, domainIsOnItsHost, holdingBelongs, asideBelongs, nothingIsLoose,
];

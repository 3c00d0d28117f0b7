import type { OperationKind } from '../operations/operation';
import type { Workflow } from '../operations/workflow';
import { buildInstance } from './build-instance';
import { deleteInstance } from './delete-instance';
import { powerAction } from './power-action';
import { reapInstance } from './reap-instance';

export const WORKFLOWS: Record<OperationKind, Workflow> = {
  'build-instance': buildInstance,
  'delete-instance': deleteInstance,
  'power-action': powerAction,
  'reap-instance': reapInstance,
};

import type { OperationKind } from '../operations/operation';
import type { Workflow } from '../operations/workflow';
import { attachInterface, detachInterface } from './attach-interface';
import { evacuateInstance } from './evacuate-instance';
import { buildInstance } from './build-instance';
import { confirmResize } from './confirm-resize';
import { deleteInstance } from './delete-instance';
import { DEFAULT_MIGRATION_LIMITS } from '../live-migration/limits';
import { liveMigrate } from './live-migrate';
import { powerAction } from './power-action';
import { rebuildInstance } from './rebuild-instance';
import { snapshotInstance } from './snapshot-instance';
import { DEFAULT_RESIZE_SETTINGS, resizeInstance } from './resize-instance';
import { revertResize } from './revert-resize';
import { reapInstance } from './reap-instance';

export const WORKFLOWS: Record<OperationKind, Workflow> = {
  'build-instance': buildInstance,
  'delete-instance': deleteInstance,
  'power-action': powerAction,
  'reap-instance': reapInstance,
  'attach-interface': attachInterface,
  'detach-interface': detachInterface,
  'rebuild-instance': rebuildInstance,
  'snapshot-instance': snapshotInstance,
  'live-migrate': liveMigrate(DEFAULT_MIGRATION_LIMITS),
  'resize-instance': resizeInstance(DEFAULT_RESIZE_SETTINGS),
  'confirm-resize': confirmResize,
  'revert-resize': revertResize,
  'evacuate-instance': evacuateInstance(),
};

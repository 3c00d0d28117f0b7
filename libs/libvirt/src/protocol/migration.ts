/** Calls that start, steer and watch a domain's job, migration above all. */
import { call } from './codec';
import { bytes, domain, flags, int, LIMIT, nullable, params, string, uhyper } from './structs';

const dom = domain;

export const migrationCalls = {
  /**
   * Peer-to-peer migration in one call: answered when the migration has ended, so give it its own connection and
   * no timeout. `destinationUri` is the other daemon's connection URI.
   */
  domainMigratePerform3Params: call(
    305,
    { dom, destinationUri: nullable(string), params: params(LIMIT.params), cookieIn: bytes(LIMIT.cookie), flags },
    { cookieOut: bytes(LIMIT.cookie) },
  ),
  domainMigrateStartPostCopy: call(364, { dom, flags }),
  /** Milliseconds. */
  domainMigrateSetMaxDowntime: call(166, { dom, downtime: uhyper, flags }),
  domainMigrateGetMaxDowntime: call(387, { dom, flags }, { downtime: uhyper }),
  /** MiB/s. */
  domainMigrateSetMaxSpeed: call(207, { dom, bandwidth: uhyper, flags }),
  domainMigrateGetMaxSpeed: call(242, { dom, flags }, { bandwidth: uhyper }),
  domainMigrateSetCompressionCache: call(300, { dom, bytes: uhyper, flags }),
  domainGetJobInfo: call(163, { dom }, {
    type: int, timeElapsed: uhyper, timeRemaining: uhyper,
    dataTotal: uhyper, dataProcessed: uhyper, dataRemaining: uhyper,
    memTotal: uhyper, memProcessed: uhyper, memRemaining: uhyper,
    fileTotal: uhyper, fileProcessed: uhyper, fileRemaining: uhyper,
  }),
  domainGetJobStats: call(298, { dom, flags }, { type: int, params: params(LIMIT.params) }),
  domainAbortJob: call(164, { dom }),
  /** libvirt 8.5 or newer; older daemons answer error 39. */
  domainAbortJobFlags: call(442, { dom, flags }),
};

/** Calls on a domain's disks and snapshots. */
import { call, list } from './codec';
import { domain, flags, hyper, int, intOr, LIMIT, nullable, params, snapshot, string, struct, uhyper, uint } from './structs';

const dom = domain;
const snap = snapshot;

export const blockCalls = {
  /** Bytes. */
  domainGetBlockInfo: call(194, { dom, path: string, flags }, { allocation: uhyper, capacity: uhyper, physical: uhyper }),
  /** `size` is KiB unless the BYTES flag is given. */
  domainBlockResize: call(251, { dom, disk: string, size: uhyper, flags }),
  domainBlockStats: call(64, { dom, path: string }, {
    readRequests: hyper, readBytes: hyper, writeRequests: hyper, writeBytes: hyper, errors: hyper,
  }),
  /** `count` 0 asks how many values there are. */
  domainBlockStatsFlags: call(243, { dom, path: string, count: int, flags }, { params: params(16), count: int }),
  domainBlockCopy: call(345, { dom, path: string, destinationXml: string, params: params(16), flags }),
  /** `bandwidth` of the block jobs is MiB/s unless the BYTES flag of the call is given; 0 is no limit. */
  domainBlockPull: call(240, { dom, path: string, bandwidth: uhyper, flags }),
  domainBlockRebase: call(266, { dom, path: string, base: nullable(string), bandwidth: uhyper, flags }),
  domainBlockCommit: call(290, { dom, disk: string, base: nullable(string), top: nullable(string), bandwidth: uhyper, flags }),
  domainBlockJobAbort: call(237, { dom, path: string, flags }),
  domainBlockJobSetSpeed: call(239, { dom, path: string, bandwidth: uhyper, flags }),
  /** `found` 0 means that no job runs and the other fields are zero. */
  domainGetBlockJobInfo: call(
    238,
    { dom, path: string, flags },
    { found: int, type: int, bandwidth: uhyper, cur: uhyper, end: uhyper },
  ),
  domainSetBlockThreshold: call(386, { dom, device: string, threshold: uhyper, flags }),
  domainSetBlockIoTune: call(252, { dom, disk: string, params: params(32), flags }),
  domainGetBlockIoTune: call(253, { dom, disk: nullable(string), count: int, flags }, { params: params(32), count: int }),
  domainGetDiskErrors: call(
    263,
    { dom, max: uint, flags },
    { errors: list(struct({ disk: string, error: int }), 256), count: int },
  ),
  domainBackupBegin: call(421, { dom, backupXml: string, checkpointXml: nullable(string), flags }),

  domainSnapshotCreateXml: call(185, { dom, xml: string, flags }, { snap }),
  domainSnapshotGetXmlDesc: call(186, { snap, flags }, { xml: string }),
  domainSnapshotLookupByName: call(189, { dom, name: string, flags }, { snap }),
  domainHasCurrentSnapshot: call(190, { dom, flags }, { result: int }),
  domainSnapshotCurrent: call(191, { dom, flags }, { snap }),
  domainRevertToSnapshot: call(192, { snap, flags }),
  domainSnapshotDelete: call(193, { snap, flags }),
  domainListAllSnapshots: call(
    274,
    { dom, needResults: intOr(1), flags },
    { snapshots: list(snap, LIMIT.objects), count: int },
  ),
};

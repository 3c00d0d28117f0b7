/** Calls on storage pools, volumes, secrets and network filters. */
import { call, list } from './codec';
import { bytes, flags, int, intOr, LIMIT, nwfilter, secret, storagePool, storageVolume, string, uhyper, uint, uuid } from './structs';

const pool = storagePool;
const vol = storageVolume;
const needResults = intOr(1);

export const storageCalls = {
  connectListAllStoragePools: call(281, { needResults, flags }, { pools: list(pool, LIMIT.objects), count: uint }),
  storagePoolLookupByName: call(84, { name: string }, { pool }),
  storagePoolLookupByUuid: call(85, { uuid }, { pool }),
  storagePoolDefineXml: call(77, { xml: string, flags }, { pool }),
  storagePoolCreateXml: call(76, { xml: string, flags }, { pool }),
  storagePoolCreate: call(78, { pool, flags }),
  storagePoolBuild: call(79, { pool, flags }),
  storagePoolDestroy: call(80, { pool }),
  storagePoolDelete: call(81, { pool, flags }),
  storagePoolUndefine: call(82, { pool }),
  storagePoolRefresh: call(83, { pool, flags }),
  storagePoolGetXmlDesc: call(88, { pool, flags }, { xml: string }),
  /** Bytes. */
  storagePoolGetInfo: call(87, { pool }, { state: uint, capacity: uhyper, allocation: uhyper, available: uhyper }),
  storagePoolListAllVolumes: call(282, { pool, needResults, flags }, { volumes: list(vol, LIMIT.objects), count: uint }),
  storageVolCreateXml: call(93, { pool, xml: string, flags }, { vol }),
  storageVolDelete: call(94, { vol, flags }),
  storageVolLookupByName: call(95, { pool, name: string }, { vol }),
  storageVolLookupByPath: call(97, { path: string }, { vol }),
  storageVolGetInfo: call(98, { vol }, { type: int, capacity: uhyper, allocation: uhyper }),
  storageVolGetXmlDesc: call(99, { vol, flags }, { xml: string }),
  storageVolGetPath: call(100, { vol }, { path: string }),
  storageVolResize: call(260, { vol, capacity: uhyper, flags }),
  /** Followed by a stream to the daemon. `length` 0 is everything. */
  storageVolUpload: call(208, { vol, offset: uhyper, length: uhyper, flags }),
  /** Followed by a stream from the daemon. `length` 0 is everything. */
  storageVolDownload: call(209, { vol, offset: uhyper, length: uhyper, flags }),

  connectListAllSecrets: call(287, { needResults, flags }, { secrets: list(secret, LIMIT.objects), count: uint }),
  secretLookupByUuid: call(141, { uuid }, { secret }),
  secretDefineXml: call(142, { xml: string, flags }, { secret }),
  secretGetXmlDesc: call(143, { secret, flags }, { xml: string }),
  secretSetValue: call(144, { secret, value: bytes(LIMIT.secret), flags }),
  secretGetValue: call(145, { secret, flags }, { value: bytes(LIMIT.secret) }),
  secretUndefine: call(146, { secret }),

  connectListAllNwfilters: call(286, { needResults, flags }, { filters: list(nwfilter, LIMIT.objects), count: uint }),
  nwfilterLookupByName: call(175, { name: string }, { nwfilter }),
  nwfilterDefineXml: call(180, { xml: string }, { nwfilter }),
  nwfilterUndefine: call(181, { nwfilter }),
};

import { randomBytes } from 'node:crypto';
import type { InstancePort } from '@virga/contracts';
import type { Selectable } from '@virga/db';
import type { InstancesTable } from '../db/schema';
import { networkData } from './network-data';
import { ec2Documents } from './ec2-documents';

/** What the documents are made of. */
export interface MetadataSource {
  instance: Selectable<InstancesTable>;
  metadata: Record<string, string>;
  ports: InstancePort[];
  securityGroups: string[];
}

/** Versions of the OpenStack tree, a newer one has all that an older one has. Few, because all of them travel in one message. */
const OPENSTACK_VERSIONS = ['2012-08-10', '2015-10-15', '2018-08-27', '2020-10-14', 'latest'];

/** First version in which a document is there. */
const SINCE: Record<string, string> = { 'vendor_data.json': '2013-10-17', 'network_data.json': '2015-10-15', 'vendor_data2.json': '2016-10-06' };

function metaData({ instance, metadata }: MetadataSource): unknown {
  const { key_name: name, key_public: data, key_type: type } = instance;
  return {
    uuid: instance.id,
    availability_zone: instance.availability_zone,
    hostname: instance.hostname,
    name: instance.display_name,
    launch_index: instance.launch_index,
    project_id: instance.project_id,
    random_seed: randomBytes(512).toString('base64'),
    devices: [],
    dedicated_cpus: [],
    ...(Object.keys(metadata).length > 0 && { meta: metadata }),
    ...(name !== null && data !== null && { public_keys: { [name]: data }, keys: [{ name, type, data }] }),
    // Only during the first boot, for guests that set it.
    ...(instance.admin_pass !== null && { admin_pass: instance.admin_pass }),
  };
}

/** Path below the root of the metadata service to the document's bytes. */
export function metadataTree(source: MetadataSource): Map<string, Buffer> {
  const tree = new Map<string, Buffer>();
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const documents: Record<string, Buffer> = {
    'meta_data.json': json(metaData(source)),
    'network_data.json': json(networkData(source.ports)),
    'vendor_data.json': json({}),
    'vendor_data2.json': json({}),
    ...(source.instance.user_data !== null && { user_data: Buffer.from(source.instance.user_data, 'base64') }),
  };
  for (const version of OPENSTACK_VERSIONS) {
    for (const [name, content] of Object.entries(documents)) if (version >= (SINCE[name] ?? '')) tree.set(`openstack/${version}/${name}`, content);
  }
  for (const [path, content] of ec2Documents(source)) tree.set(path, content);
  return tree;
}

/** As `instanceMetadata` of the agent gateway answers. */
export const encodeDocuments = (tree: Map<string, Buffer>): Record<string, string> =>
  Object.fromEntries([...tree].map(([path, content]) => [path, content.toString('base64')]));

import type { ServerFlavor } from '../servers/server-row';
import type { MetadataSource } from './metadata-documents';

const EC2_VERSIONS = ['2009-04-04', 'latest'];

/** The tree that EC2-like guests read, one file a value. */
export function ec2Documents({ instance, ports, securityGroups }: MetadataSource): Map<string, Buffer> {
  const flavor = JSON.parse(instance.flavor_json) as ServerFlavor;
  const fixed = ports.flatMap(({ fixedIps }) => fixedIps).find(({ version }) => version === 4);
  const number = instance.num.toString(16).padStart(8, '0');
  const values: Record<string, string> = {
    'ami-id': `ami-${instance.image_id.replaceAll('-', '').slice(0, 8)}`,
    'ami-launch-index': String(instance.launch_index),
    'ami-manifest-path': 'none',
    'block-device-mapping/ami': 'vda',
    'block-device-mapping/root': instance.root_device_name,
    hostname: instance.hostname,
    'instance-action': 'none',
    'instance-id': `i-${number}`,
    'instance-type': flavor.original_name,
    'local-hostname': instance.hostname,
    'local-ipv4': fixed?.ipAddress ?? '',
    'placement/availability-zone': instance.availability_zone ?? '',
    'public-hostname': instance.hostname,
    'public-ipv4': '',
    'reservation-id': instance.reservation_id,
    'security-groups': securityGroups.join('\n'),
    ...(instance.key_name !== null && instance.key_public !== null && {
      // In the place of the directory's listing: the entry carries the key's name.
      'public-keys': `0=${instance.key_name}`,
      'public-keys/0/openssh-key': instance.key_public,
    }),
  };
  const documents = new Map<string, Buffer>();
  for (const version of EC2_VERSIONS) {
    for (const [name, value] of Object.entries(values)) documents.set(`${version}/meta-data/${name}`, Buffer.from(value));
    if (instance.user_data !== null) documents.set(`${version}/user-data`, Buffer.from(instance.user_data, 'base64'));
  }
  return documents;
}

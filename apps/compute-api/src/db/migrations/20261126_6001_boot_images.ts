import { sqlMigration } from '@virga/db';

/** Kernel and ramdisk that belong to the instance's image as it is now. Until now they stood only in what built the instance last. */
export const bootImages = sqlMigration([
  'ALTER TABLE instances ADD COLUMN boot_images_json MEDIUMTEXT NULL',
  `UPDATE instances i SET boot_images_json = (
    SELECT JSON_COMPACT(JSON_MERGE_PATCH('{}',
      IF(JSON_EXISTS(o.args_json, '$.kernelImage'), JSON_OBJECT('kernelImage', JSON_EXTRACT(o.args_json, '$.kernelImage')), '{}'),
      IF(JSON_EXISTS(o.args_json, '$.ramdiskImage'), JSON_OBJECT('ramdiskImage', JSON_EXTRACT(o.args_json, '$.ramdiskImage')), '{}')))
    FROM operations o WHERE o.instance_id = i.id AND o.kind IN ('build-instance', 'rebuild-instance') ORDER BY o.created_at DESC, o.generation DESC LIMIT 1)`,
]);

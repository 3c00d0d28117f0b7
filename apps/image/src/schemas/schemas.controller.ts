import { Controller, Get } from '@nestjs/common';
import { Authenticated } from '@virga/rest';
import { CONTAINER_FORMATS, DISK_FORMATS } from '../images/image.schema';

const UUID_PATTERN = '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$';
const text = (description: string, maxLength: number, extra: object = {}) => ({ type: ['null', 'string'], description, maxLength, ...extra });
const own = { readOnly: true };

/** The image schema that clients read before they create or patch. */
const imageSchema = {
  name: 'image',
  properties: {
    id: { type: 'string', description: 'An identifier for the image', pattern: UUID_PATTERN },
    name: text('Descriptive name for the image', 255),
    status: { type: 'string', ...own, description: 'Status of the image', enum: ['queued', 'saving', 'active', 'deactivated'] },
    visibility: { type: 'string', description: 'Scope of image accessibility', enum: ['community', 'public', 'private', 'shared'] },
    protected: { type: 'boolean', description: 'If true, image will not be deletable.' },
    os_hidden: { type: 'boolean', description: 'If true, image will not appear in default image list response.' },
    checksum: text('md5 hash of image contents.', 32, own),
    os_hash_algo: text('Algorithm to calculate the os_hash_value', 64, own),
    os_hash_value: text('Hexdigest of the image contents using the algorithm specified by the os_hash_algo', 128, own),
    owner: text('Owner of the image', 255),
    size: { type: ['null', 'integer'], ...own, description: 'Size of image file in bytes' },
    virtual_size: { type: ['null', 'integer'], ...own, description: 'Virtual size of image in bytes' },
    container_format: { type: ['null', 'string'], description: 'Format of the container', enum: [null, ...CONTAINER_FORMATS] },
    disk_format: { type: ['null', 'string'], description: 'Format of the disk', enum: [null, ...DISK_FORMATS] },
    created_at: { type: 'string', ...own, description: 'Date and time of image registration' },
    updated_at: { type: 'string', ...own, description: 'Date and time of the last image modification' },
    tags: { type: 'array', description: 'List of strings related to the image', items: { type: 'string', maxLength: 255 } },
    min_ram: { type: 'integer', description: 'Amount of ram (in MB) required to boot image.' },
    min_disk: { type: 'integer', description: 'Amount of disk space (in GB) required to boot image.' },
    self: { type: 'string', ...own, description: 'An image self url' },
    file: { type: 'string', ...own, description: 'An image file url' },
    schema: { type: 'string', ...own, description: 'An image schema url' },
    kernel_id: { type: ['null', 'string'], pattern: UUID_PATTERN, description: 'ID of the image that is the kernel when booting an AMI-style image.', is_base: false },
    ramdisk_id: { type: ['null', 'string'], pattern: UUID_PATTERN, description: 'ID of the image that is the ramdisk when booting an AMI-style image.', is_base: false },
  },
  additionalProperties: { type: 'string' },
  links: [{ rel: 'self', href: '{self}' }, { rel: 'enclosure', href: '{file}' }, { rel: 'describedby', href: '{schema}' }],
};

const memberSchema = {
  name: 'member',
  properties: {
    created_at: { type: 'string', description: 'Date and time of image member creation' },
    image_id: { type: 'string', description: 'An identifier for the image', pattern: UUID_PATTERN },
    member_id: { type: 'string', description: 'An identifier for the image member (project)' },
    status: { type: 'string', description: 'The status of this image member', enum: ['pending', 'accepted', 'rejected'] },
    updated_at: { type: 'string', description: 'Date and time of last modification of image member' },
    schema: { readOnly: true, type: 'string' },
  },
};

const collection = (name: string, item: object) => ({
  name,
  properties: {
    [name]: { type: 'array', items: item },
    ...(name === 'images' ? { first: { type: 'string' }, next: { type: 'string' } } : {}),
    schema: { type: 'string' },
  },
  ...(name === 'images' ? { links: [{ rel: 'first', href: '{first}' }, { rel: 'next', href: '{next}' }, { rel: 'describedby', href: '{schema}' }] } : {}),
});

/** Published schemas; any valid token may read them. */
@Controller('v2/schemas')
@Authenticated()
export class SchemasController {
  @Get('image') image() { return imageSchema; }
  @Get('images') images() { return collection('images', imageSchema); }
  @Get('member') member() { return memberSchema; }
  @Get('members') members() { return collection('members', memberSchema); }
}

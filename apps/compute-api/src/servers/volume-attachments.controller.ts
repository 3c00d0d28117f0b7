import { Body, Controller, Delete, Get, Inject, Param, Post, Put } from '@nestjs/common';
import { Type } from '@sinclair/typebox';
import { notFound, type RequestContext } from '@virga/core';
import { Authorize, Caller, checkInput, FAULT_STYLES } from '@virga/rest';
import { under } from '../microversions';
import { DB, type Db } from '../tokens';
import { getInstance } from './server.repository';

const VolumeId = Type.String({ format: 'uuid' });
const Attach = Type.Object({ volumeAttachment: Type.Object({ volumeId: VolumeId }) });
interface AttachBody { volumeAttachment: { volumeId: string } }
const missing = (volumeId: string) => notFound(`Volume ${volumeId} could not be found.`);

/**
 * Volumes of a server. There is no block storage in this cloud, so that a server has none and no id is a volume's; the resource is
 * there because it is part of compute, and dashboards and tools read it of every server.
 */
@Controller(under('servers/:id/os-volume_attachments'))
export class VolumeAttachmentsController {
  constructor(@Inject(DB) private readonly db: Db) {}

  @Get()
  @Authorize('os_compute_api:os-volumes-attachments:index')
  async list(@Param('id') id: string, @Caller() caller: RequestContext) {
    await getInstance(this.db, caller, id);
    return { volumeAttachments: [] };
  }

  @Get(':volume')
  @Authorize('os_compute_api:os-volumes-attachments:show')
  async show(@Param('id') id: string, @Param('volume') volumeId: string, @Caller() caller: RequestContext) {
    await getInstance(this.db, caller, id);
    throw notFound(`Instance ${id} is not attached to volume ${volumeId}.`);
  }

  @Post()
  @Authorize('os_compute_api:os-volumes-attachments:create')
  async attach(@Param('id') id: string, @Caller() caller: RequestContext, @Body() body: AttachBody) {
    await getInstance(this.db, caller, id);
    checkInput(Attach, body ?? {}, FAULT_STYLES.compute);
    throw missing(body.volumeAttachment.volumeId);
  }

  @Put(':volume')
  @Authorize('os_compute_api:os-volumes-attachments:update')
  async swap(@Param('id') id: string, @Param('volume') volumeId: string, @Caller() caller: RequestContext) {
    await getInstance(this.db, caller, id);
    throw missing(volumeId);
  }

  @Delete(':volume')
  @Authorize('os_compute_api:os-volumes-attachments:delete')
  async detach(@Param('id') id: string, @Param('volume') volumeId: string, @Caller() caller: RequestContext) {
    await getInstance(this.db, caller, id);
    throw missing(volumeId);
  }
}

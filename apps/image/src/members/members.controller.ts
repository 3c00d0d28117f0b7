import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Put } from '@nestjs/common';
import { Type, type Static } from '@sinclair/typebox';
import { CloudError, conflict, forbidden, notFound, type RequestContext } from '@virga/core';
import { Authorize, Caller, POLICY, ValidBody, type PolicyEnforcer } from '@virga/rest';
import { isDuplicateKey, type Selectable } from '@virga/db';
import type { ImageMembersTable } from '../db/tables';
import { ImageRepository, type ImageRow } from '../images/image.repository';
import { isoSeconds } from '../images/image.view';

const CreateMember = Type.Object({ member: Type.String({ minLength: 1, maxLength: 64, pattern: '^[^\\u0000]+$' }) });
const UpdateMember = Type.Object({ status: Type.Union([Type.Literal('pending'), Type.Literal('accepted'), Type.Literal('rejected')]) });
const MAX_MEMBERS = 128;

const memberView = (member: Selectable<ImageMembersTable>) => ({
  image_id: member.image_id, member_id: member.member, status: member.status,
  created_at: isoSeconds(member.created_at), updated_at: isoSeconds(member.updated_at), schema: '/v2/schemas/member',
});

/** Projects with which a shared image is shared. */
@Controller('v2/images/:id/members')
export class MembersController {
  constructor(@Inject(ImageRepository) private readonly images: ImageRepository, @Inject(POLICY) private readonly policy: PolicyEnforcer) {}

  @Get() @Authorize('get_image')
  async list(@Caller() caller: RequestContext, @Param('id') id: string) {
    const image = await this.shared(caller, id);
    const all = this.owns(caller, image, 'get_members');
    const members = await this.images.db.selectFrom('image_members').selectAll().where('image_id', '=', image.id)
      .$if(!all, (query) => query.where('member', '=', caller.project?.id ?? '')).orderBy('created_at').orderBy('member').execute();
    return { members: members.map(memberView), schema: '/v2/schemas/members' };
  }

  @Get(':member') @Authorize('get_image')
  async show(@Caller() caller: RequestContext, @Param('id') id: string, @Param('member') member: string) {
    const image = await this.shared(caller, id);
    if (!this.owns(caller, image, 'get_members') && caller.project?.id !== member) throw this.missing(id, member);
    return memberView(await this.find(image, member));
  }

  @Post() @HttpCode(200) @Authorize('get_image')
  async create(@Caller() caller: RequestContext, @Param('id') id: string, @ValidBody(CreateMember) body: Static<typeof CreateMember>) {
    const image = await this.shared(caller, id);
    if (!this.owns(caller, image, 'add_member')) throw forbidden('You are not permitted to create image members for the image.');
    const { count } = await this.images.db.selectFrom('image_members').select((eb) => eb.fn.countAll<number>().as('count')).where('image_id', '=', image.id).executeTakeFirstOrThrow();
    if (Number(count) >= MAX_MEMBERS) throw new CloudError('tooLarge', `The limit has been exceeded on the number of allowed image members for this image. Attempted: ${Number(count) + 1}, Maximum: ${MAX_MEMBERS}`);
    const now = new Date();
    try {
      await this.images.db.insertInto('image_members').values({ image_id: image.id, member: body.member, status: 'pending', created_at: now, updated_at: now }).execute();
    } catch (error) {
      if (isDuplicateKey(error)) throw conflict(`Member ${body.member} is duplicated for image ${image.id}`);
      throw error;
    }
    return memberView(await this.find(image, body.member));
  }

  @Put(':member') @Authorize('get_image')
  async update(@Caller() caller: RequestContext, @Param('id') id: string, @Param('member') member: string, @ValidBody(UpdateMember) body: Static<typeof UpdateMember>) {
    const image = await this.shared(caller, id);
    await this.find(image, member);
    // Accepting is the member's decision, never the owner's.
    if (!this.policy.allows(caller, 'modify_member', { projectId: member })) throw forbidden('You are not permitted to modify this image member.');
    await this.images.db.updateTable('image_members').set({ status: body.status, updated_at: new Date() }).where('image_id', '=', image.id).where('member', '=', member).execute();
    return memberView(await this.find(image, member));
  }

  @Delete(':member') @HttpCode(204) @Authorize('get_image')
  async delete(@Caller() caller: RequestContext, @Param('id') id: string, @Param('member') member: string) {
    const image = await this.shared(caller, id);
    if (!this.owns(caller, image, 'delete_member')) throw forbidden('You cannot delete image member.');
    await this.find(image, member);
    await this.images.db.deleteFrom('image_members').where('image_id', '=', image.id).where('member', '=', member).execute();
  }

  private owns(caller: RequestContext, image: ImageRow, rule: string): boolean {
    return this.policy.allows(caller, rule, { projectId: image.owner });
  }

  private async shared(caller: RequestContext, id: string): Promise<ImageRow> {
    const image = await this.images.findVisible(caller, id);
    if (image.visibility !== 'shared') throw forbidden('Only shared images have members.');
    return image;
  }

  private async find(image: ImageRow, member: string): Promise<Selectable<ImageMembersTable>> {
    const found = await this.images.db.selectFrom('image_members').selectAll().where('image_id', '=', image.id).where('member', '=', member).executeTakeFirst();
    if (!found) throw this.missing(image.id, member);
    return found;
  }

  private missing(id: string, member: string) {
    return notFound(`${member} not found in the member list of the image ${id}.`);
  }
}

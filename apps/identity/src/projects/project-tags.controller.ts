import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Put, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { badRequest, notFound, type RequestContext } from '@virga/core';
import { inTransaction } from '@virga/db';
import { Authenticated, baseUrl, Caller, inputFault, PolicyEnforcer, ValidBody } from '@virga/rest';
import { allowedRow } from '../collection/allowed-row';
import { selfLink } from '../collection/list';
import { Tag } from '../collection/schema-parts';
import type { Db, ProjectRow } from '../db/tables';
import { DATABASE, ENFORCER } from '../injection';
import { TagsBody, tagsOf } from './project';
import { replaceTags } from './write-project';

const MOST_TAGS = 80;

@Controller('v3/projects/:id/tags') @Authenticated()
export class ProjectTagsController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(ENFORCER) private readonly policy: PolicyEnforcer) {}

  @Get()
  async list(@Param('id') id: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    await this.check(caller, 'identity:list_project_tags', id);
    return this.view(id, request);
  }

  @Put()
  async replace(@Param('id') id: string, @ValidBody(TagsBody) { tags }: TagsBody, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    await this.check(caller, 'identity:update_project_tags', id);
    await inTransaction(this.db, (trx) => replaceTags(trx, id, tags));
    return this.view(id, request);
  }

  @Delete() @HttpCode(204)
  async clear(@Param('id') id: string, @Caller() caller: RequestContext): Promise<void> {
    await this.check(caller, 'identity:delete_project_tags', id);
    await this.db.deleteFrom('project_tags').where('project_id', '=', id).execute();
  }

  @Get(':tag') @HttpCode(204)
  async has(@Param('id') id: string, @Param('tag') tag: string, @Caller() caller: RequestContext): Promise<void> {
    await this.check(caller, 'identity:get_project_tag', id);
    const row = await this.db.selectFrom('project_tags').select('tag').where('project_id', '=', id).where('tag', '=', tag).executeTakeFirst();
    if (!row) throw notFound(`Could not find project tag: ${tag}.`);
  }

  @Put(':tag') @HttpCode(201)
  async add(
    @Param('id') id: string, @Param('tag') tag: string, @Body() _: unknown, @Caller() caller: RequestContext,
    @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    await this.check(caller, 'identity:create_project_tag', id);
    const fault = inputFault(Tag, tag);
    if (fault) throw badRequest(fault.reason);
    const tags = (await tagsOf(this.db, [id])).get(id) ?? [];
    if (!tags.includes(tag) && tags.length >= MOST_TAGS) throw badRequest(`A project has at most ${MOST_TAGS} tags.`);
    await this.db.insertInto('project_tags').ignore().values({ project_id: id, tag }).execute();
    reply.header('Location', `${baseUrl(request)}/v3/projects/${id}/tags/${encodeURIComponent(tag)}`);
  }

  @Delete(':tag') @HttpCode(204)
  async remove(@Param('id') id: string, @Param('tag') tag: string, @Caller() caller: RequestContext): Promise<void> {
    await this.check(caller, 'identity:delete_project_tag', id);
    const [result] = await this.db.deleteFrom('project_tags').where('project_id', '=', id).where('tag', '=', tag).execute();
    if (!result?.numDeletedRows) throw notFound(`Could not find project tag: ${tag}.`);
  }

  private async view(id: string, request: FastifyRequest) {
    return { tags: (await tagsOf(this.db, [id])).get(id) ?? [], links: { next: null, previous: null, ...selfLink(request, `projects/${id}/tags`) } };
  }

  private check(caller: RequestContext, rule: string, id: string): Promise<ProjectRow> {
    return allowedRow<ProjectRow>(this.db, this.policy, caller, rule, { table: 'projects', noun: 'project', id, target: ({ domain_id: domainId }) => ({ projectId: id, domainId }) });
  }
}

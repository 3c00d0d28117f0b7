import { Controller, Get, HttpCode, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { baseUrl, Public } from '@virga/rest';

/** The contract level of keystone's v3 API that is served. */
const versionDocument = (base: string) => ({
  id: 'v3.14',
  status: 'stable',
  updated: '2020-04-07T00:00:00Z',
  links: [{ rel: 'self', href: `${base}/v3/` }],
  'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
});

@Controller()
export class VersionsController {
  @Get('/') @Public() @HttpCode(300)
  all(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const base = baseUrl(request);
    reply.header('Location', `${base}/v3/`);
    return { versions: { values: [versionDocument(base)] } };
  }

  @Get('/v3') @Public()
  v3(@Req() request: FastifyRequest) {
    return { version: versionDocument(baseUrl(request)) };
  }
}

import { Controller, Get, HttpCode, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Authenticated, Public, baseUrl } from '@virga/rest';

/** API versions, newest first. What is not built of a version answers as absent there. */
const VERSIONS = ['v2.9', 'v2.7', 'v2.6', 'v2.5', 'v2.4', 'v2.3', 'v2.2', 'v2.1', 'v2.0'];

const versionList = (request: FastifyRequest) => ({
  versions: VERSIONS.map((id, index) => ({ id, status: index === 0 ? 'CURRENT' : 'SUPPORTED', links: [{ rel: 'self', href: `${baseUrl(request)}/v2/` }] })),
});

@Controller()
export class VersionsController {
  @Get() @HttpCode(300) @Public()
  root(@Req() request: FastifyRequest) {
    return versionList(request);
  }

  @Get('versions') @Public()
  versions(@Req() request: FastifyRequest) {
    return versionList(request);
  }

  /** No method of import is offered, and this says so; any valid token may ask. */
  @Get('v2/info/import') @Authenticated()
  importMethods() {
    return { 'import-methods': { description: 'Import methods available.', type: 'array', value: [] } };
  }
}

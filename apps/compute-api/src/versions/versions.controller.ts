import { Controller, Get, HttpCode, Req } from '@nestjs/common';
import { baseUrl, formatVersion, Public, type FastifyRequest } from '@virga/rest';
import { COMPUTE_VERSIONS } from '../microversions';

const summary = (base: string) => ({
  id: 'v2.1', status: 'CURRENT', version: formatVersion(COMPUTE_VERSIONS.maximum), min_version: formatVersion(COMPUTE_VERSIONS.minimum),
  updated: '2013-07-23T11:33:21Z', links: [{ rel: 'self', href: `${base}/v2.1/` }],
});

/** Documents by which clients find out what is served. The 2.0 API is not: 2.1 answers all that it did. */
@Controller()
export class VersionsController {
  @Get('/')
  @HttpCode(200)
  @Public()
  all(@Req() request: FastifyRequest) {
    return { versions: [summary(baseUrl(request))] };
  }

  @Get('/v2.1')
  @Public()
  one(@Req() request: FastifyRequest) {
    const { links, ...rest } = summary(baseUrl(request));
    return {
      version: {
        ...rest,
        links: [...links, { rel: 'describedby', type: 'text/html', href: 'http://docs.openstack.org/' }],
        'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.compute+json;version=2.1' }],
      },
    };
  }
}

/** Paths without microversion headers. */
export const isVersionDocument = (path: string): boolean => path === '/' || path === '/v2.1' || path === '/v2.1/';

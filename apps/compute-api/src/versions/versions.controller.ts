import { Controller, Get, HttpCode, Req } from '@nestjs/common';
import { baseUrl, formatVersion, Public, type FastifyRequest } from '@virga/rest';
import { COMPUTE_VERSIONS } from '../microversions';

const older = (base: string) => ({
  id: 'v2.0', status: 'SUPPORTED', version: '', min_version: '', updated: '2011-01-21T11:33:21Z', links: [{ rel: 'self', href: `${base}/v2/` }],
});
const current = (base: string) => ({
  id: 'v2.1', status: 'CURRENT', version: formatVersion(COMPUTE_VERSIONS.maximum), min_version: formatVersion(COMPUTE_VERSIONS.minimum),
  updated: '2013-07-23T11:33:21Z', links: [{ rel: 'self', href: `${base}/v2.1/` }],
});

const document = ({ links, ...rest }: ReturnType<typeof older>, type: string) => ({
  version: { ...rest, links: [...links, { rel: 'describedby', type: 'text/html', href: 'http://docs.openstack.org/' }], 'media-types': [{ base: 'application/json', type }] },
});

/** Documents by which clients find out what is served. */
@Controller()
export class VersionsController {
  @Get('/')
  @HttpCode(200)
  @Public()
  all(@Req() request: FastifyRequest) {
    return { versions: [older(baseUrl(request)), current(baseUrl(request))] };
  }

  @Get('/v2.1')
  @Public()
  one(@Req() request: FastifyRequest) {
    return document(current(baseUrl(request)), 'application/vnd.openstack.compute+json;version=2.1');
  }

  @Get('/v2')
  @Public()
  two(@Req() request: FastifyRequest) {
    return document(older(baseUrl(request)), 'application/vnd.openstack.compute+json;version=2');
  }
}

/** Paths without microversion headers. */
export const isVersionDocument = (path: string): boolean => ['/', '/v2.1', '/v2.1/', '/v2', '/v2/'].includes(path);

import type { FastifyRequest } from 'fastify';
import { selfLink } from '../collection/list';
import { parseObject } from '../collection/rows';
import type { EndpointRow } from '../db/tables';

export const endpointView = (row: EndpointRow, request: FastifyRequest) => ({
  ...parseObject(row.extra),
  id: row.id, interface: row.interface, region_id: row.region_id, service_id: row.service_id, url: row.url, enabled: Boolean(row.enabled), region: row.region_id,
  links: selfLink(request, `endpoints/${row.id}`),
});

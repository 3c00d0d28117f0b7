import { microTime, microTimeOrNull } from '../times';
import { ZONE_KEY, type Aggregate } from './aggregate.repository';

/** The answer to a creation has neither hosts nor metadata, as nova's. */
export const aggregateView = (aggregate: Aggregate, at: number, created = false) => ({
  id: aggregate.id,
  ...(at >= 41 && { uuid: aggregate.uuid }),
  name: aggregate.name,
  ...(!created && { hosts: aggregate.hosts, metadata: aggregate.metadata }),
  created_at: microTime(aggregate.created_at),
  updated_at: microTimeOrNull(aggregate.updated_at),
  deleted_at: null,
  deleted: false,
  availability_zone: aggregate.metadata[ZONE_KEY] ?? null,
});

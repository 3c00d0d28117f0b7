import { sql } from '@virga/db';

/** The database's clock: the only one by which leases, deadlines and order in time are decided. */
export const dbNow = sql<Date>`NOW(3)`;
/** The database's clock plus `ms` milliseconds. */
export const dbNowPlus = (ms: number) => sql<Date>`NOW(3) + INTERVAL ${Math.round(ms) * 1000} MICROSECOND`;

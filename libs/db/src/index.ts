export * from './database';
export * from './migrations';
export * from './outbox';
export { sql, type Kysely, type Transaction, type Generated, type Insertable, type Selectable, type Updateable, type ColumnType } from 'kysely';

import { Migrator, sql, type Kysely, type Migration } from 'kysely';

/** Name (`20261120_0001_servers`) to migration, append-only. */
export type Migrations = Record<string, Migration>;

/** Brings the schema up to date; any number of processes may call it at once. Returns the names that were applied. */
export async function migrate<S>(db: Kysely<S>, migrations: Migrations): Promise<string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } });
  const { error, results } = await migrator.migrateToLatest();
  if (error) throw error;
  return (results ?? []).filter((result) => result.status === 'Success').map((result) => result.migrationName);
}

/** A migration from literal SQL statements, one string each. */
export const sqlMigration = (statements: string[]): Migration => ({
  async up(db: Kysely<unknown>) {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
});

/** True when every migration has been applied; for readiness. */
export async function isMigrated<S>(db: Kysely<S>, migrations: Migrations): Promise<boolean> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } });
  return (await migrator.getMigrations()).every((migration) => migration.executedAt !== undefined);
}

import { inTransaction, sql, type Executor } from '@virga/db';
import type { ComputeDb } from '../../db/schema';
import type { Invariant } from '../invariant';

interface Usage { project_id: string; instances: number; cores: number; ram: number }

const COUNTED = sql<Usage>`SELECT project_id, COUNT(*) AS instances, COALESCE(SUM(JSON_VALUE(flavor_json, '$.vcpus') + held_cores), 0) AS cores, COALESCE(SUM(JSON_VALUE(flavor_json, '$.ram') + held_ram), 0) AS ram
  FROM instances WHERE deleted_at IS NULL GROUP BY project_id`;
const words = ({ instances, cores, ram }: Usage) => `${instances} instances, ${cores} cores and ${ram} MB`;
const numbers = (row: Usage): Usage => ({ project_id: row.project_id, instances: Number(row.instances), cores: Number(row.cores), ram: Number(row.ram) });
const none = (projectId: string): Usage => ({ project_id: projectId, instances: 0, cores: 0, ram: 0 });
const same = (a: Usage, b: Usage) => a.instances === b.instances && a.cores === b.cores && a.ram === b.ram;

async function counted(db: Executor<ComputeDb>): Promise<Map<string, Usage>> {
  return new Map((await COUNTED.execute(db)).rows.map((row) => [row.project_id, numbers(row)]));
}

export const quotaEqualsRows: Invariant = {
  name: 'quota-equals-rows',
  sentence: 'What a project is booked to use is what its instances use.',
  cost: 'database',
  async find({ db }) {
    // One transaction that sees one state: both sides change together.
    const [booked, rows] = await db.transaction().setIsolationLevel('repeatable read').execute(async (trx) =>
      [await trx.selectFrom('quota_usages').selectAll().execute(), await counted(trx)] as const);
    const books = new Map(booked.map((row) => [row.project_id, numbers(row)]));
    return [...new Set([...books.keys(), ...rows.keys()])].flatMap((projectId) => {
      const [book, truth] = [books.get(projectId) ?? none(projectId), rows.get(projectId) ?? none(projectId)];
      return same(book, truth) ? [] : [{ key: projectId, sentence: `Project ${projectId} is booked with ${words(book)}, and its instances take ${words(truth)}.` }];
    });
  },
  repair({ key: projectId }, { db }) {
    return inTransaction(db, async (trx) => {
      // Who takes or gives back waits for this row, so that what is counted below is what the row must say.
      await trx.insertInto('quota_usages').ignore().values(none(projectId)).execute();
      const book = await trx.selectFrom('quota_usages').selectAll().where('project_id', '=', projectId).forUpdate().executeTakeFirstOrThrow();
      const truth = (await counted(trx)).get(projectId) ?? none(projectId);
      if (same(numbers(book), truth)) return undefined;
      await trx.updateTable('quota_usages').set({ instances: truth.instances, cores: truth.cores, ram: truth.ram }).where('project_id', '=', projectId).execute();
      return `booked anew: ${words(truth)}`;
    });
  },
};

import { Controller, Delete, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { badRequest, conflict, notFound, overQuota, type RequestContext } from '@virga/core';
import { inTransaction, isDuplicateKey } from '@virga/db';
import { Authenticated, Caller, readPage, ValidBody, Version, withQuery, type FastifyReply, type FastifyRequest, type Microversion, type PolicyEnforcer } from '@virga/rest';
import { under } from '../microversions';
import { dbNow } from '../db/time';
import { readLimits } from '../quotas/quota-limits';
import { DB, ENFORCER, SETTINGS, type ComputeSettings, type Db } from '../tokens';
import { CreateKeypair, type CreateKeypairBody } from './keypair.schema';
import { keypairCreated, keypairListed, keypairShown, type Keypair } from './keypair.view';
import { generateSshKey, importPublicKey } from './public-key';
import { generateCertificate, importCertificate } from './x509';

/** How each type of key pair is made, and how one that is given is checked. */
const KINDS = {
  ssh: { generate: generateSshKey, take: importPublicKey },
  x509: { generate: generateCertificate, take: importCertificate },
};

/** Key pairs belong to users and not to projects; from 2.10 on administrators may name another user. */
@Controller(under('os-keypairs'))
export class KeypairsController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(SETTINGS) private readonly settings: ComputeSettings, @Inject(ENFORCER) private readonly policy: PolicyEnforcer) {}

  // The rules depend on whose key it is: checked in each handler.
  @Get()
  @Authenticated()
  async list(@Caller() caller: RequestContext, @Version() { minor }: Microversion, @Query() query: Record<string, string>, @Req() request: FastifyRequest) {
    const userId = this.userFor(caller, minor, query.user_id, 'index');
    let select = this.db.selectFrom('keypairs').selectAll().where('user_id', '=', userId).orderBy('name');
    if (minor < 35) return { keypairs: (await select.execute()).map((keypair) => keypairListed(keypair, minor)) };
    const page = readPage(query, this.settings.maxLimit);
    if (page.marker !== undefined) {
      const marker = await this.find(userId, page.marker);
      if (!marker) throw badRequest(`marker [${page.marker}] not found`);
      select = select.where('name', '>', marker.name);
    }
    const rows = await select.limit(page.limit).execute();
    const more = query.limit !== undefined && rows.length > 0 && rows.length === page.limit;
    return {
      keypairs: rows.map((keypair) => keypairListed(keypair, minor)),
      ...(more && { keypairs_links: [{ rel: 'next', href: withQuery(request, { marker: rows.at(-1)!.name }) }] }),
    };
  }

  @Post()
  @Authenticated()
  async create(@Caller() caller: RequestContext, @Version() { minor }: Microversion, @ValidBody(CreateKeypair) { keypair }: CreateKeypairBody, @Res({ passthrough: true }) reply: FastifyReply) {
    const userId = this.userFor(caller, minor, keypair.user_id, 'create');
    const type = keypair.type ?? 'ssh';
    const { generate, take } = KINDS[type];
    const made = keypair.public_key === undefined ? await generate(userId) : { ...take(keypair.public_key), privateKey: undefined };
    const row = await inTransaction(this.db, async (trx) => {
      try {
        // First the insert: it waits for another one of the same user and name, and the count after it is exact.
        await trx.insertInto('keypairs').values({ user_id: userId, name: keypair.name, type, public_key: made.publicKey, fingerprint: made.fingerprint, created_at: dbNow }).execute();
      } catch (error) {
        if (isDuplicateKey(error)) throw conflict(`Key pair '${keypair.name}' already exists.`);
        throw error;
      }
      const { key_pairs: limit } = await readLimits(trx, caller.project?.id ?? '', userId);
      const keys = await trx.selectFrom('keypairs').select('id').where('user_id', '=', userId).forUpdate().execute();
      if (limit >= 0 && keys.length > limit) throw overQuota('Quota exceeded, too many key pairs.', { status: 403 });
      return trx.selectFrom('keypairs').selectAll().where('user_id', '=', userId).where('name', '=', keypair.name).executeTakeFirstOrThrow();
    });
    void reply.status(minor >= 2 ? 201 : 200);
    return keypairCreated(row, minor, made.privateKey);
  }

  @Get(':name')
  @Authenticated()
  async show(@Param('name') name: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion, @Query() query: Record<string, string>) {
    const userId = this.userFor(caller, minor, query.user_id, 'show');
    return keypairShown(await this.get(userId, name), minor);
  }

  @Delete(':name')
  @Authenticated()
  async remove(@Param('name') name: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion, @Query() query: Record<string, string>, @Res({ passthrough: true }) reply: FastifyReply) {
    const userId = this.userFor(caller, minor, query.user_id, 'delete');
    const { numDeletedRows } = await this.db.deleteFrom('keypairs').where('user_id', '=', userId).where('name', '=', name).executeTakeFirst();
    if (numDeletedRows === 0n) throw this.missing(userId, name);
    void reply.status(minor >= 2 ? 204 : 202);
  }

  private userFor(caller: RequestContext, minor: number, asked: string | undefined, verb: string): string {
    const userId = minor >= 10 && asked !== undefined && asked !== '' ? asked : caller.user.id;
    this.policy.enforce(caller, `os_compute_api:os-keypairs:${verb}`, { userId });
    return userId;
  }

  private find(userId: string, name: string): Promise<Keypair | undefined> {
    return this.db.selectFrom('keypairs').selectAll().where('user_id', '=', userId).where('name', '=', name).executeTakeFirst();
  }

  private async get(userId: string, name: string): Promise<Keypair> {
    const keypair = await this.find(userId, name);
    if (!keypair) throw this.missing(userId, name);
    return keypair;
  }

  private missing(userId: string, name: string) {
    return notFound(`Keypair ${name} not found for user ${userId}`);
  }
}

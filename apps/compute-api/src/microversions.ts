import { SetMetadata, UseGuards, applyDecorators, Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { notFound } from '@virga/core';
import { requestState, version, type FastifyRequest, type MicroversionRange } from '@virga/rest';

export const COMPUTE_VERSIONS: MicroversionRange = {
  service: 'compute', legacyHeader: 'X-OpenStack-Nova-API-Version', minimum: version('2.1'), maximum: version('2.96'),
};

/** A resource's paths. The older 2.0 API is 2.1 in its first version: its clients send no version header. */
export const under = (resource: string): string[] => [`v2.1/${resource}`, `v2/${resource}`];

const SERVED = 'compute:served';

@Injectable()
class ServedGuard implements CanActivate {
  constructor(@Inject(Reflector) private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const range = this.reflector.get<{ from: number; to: number }>(SERVED, context.getHandler());
    const at = requestState(context.switchToHttp().getRequest<FastifyRequest>()).version!.minor;
    if (at < range.from || at > range.to) throw notFound('The resource could not be found.');
    return true;
  }
}

/** The route exists only in these versions (minor numbers, both included). */
export const Served = (from: number, to = Infinity) => applyDecorators(SetMetadata(SERVED, { from, to }), UseGuards(ServedGuard));

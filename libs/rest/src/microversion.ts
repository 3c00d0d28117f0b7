import { badRequest, CloudError } from '@virga/core';

/** A compute or placement API version, e.g. 2.53. */
export interface Microversion { major: number; minor: number }

export interface MicroversionRange {
  /** Word in `OpenStack-API-Version`, e.g. `compute`. */
  service: string;
  /** Older header of the same meaning, e.g. `X-OpenStack-Nova-API-Version`. */
  legacyHeader?: string;
  minimum: Microversion;
  maximum: Microversion;
}

export const formatVersion = ({ major, minor }: Microversion): string => `${major}.${minor}`;
export const compareVersions = (a: Microversion, b: Microversion): number => a.major - b.major || a.minor - b.minor;

/** '2.53' -> {2, 53}; for literals in tables. */
export function version(text: string): Microversion {
  const match = /^([1-9]\d*)\.([1-9]\d*|0)$/.exec(text);
  if (!match) throw new Error(`Not a version: ${text}`);
  return { major: Number(match[1]), minor: Number(match[2]) };
}

/**
 * Reads the version that a request asks for; without a header it is the minimum. Malformed: 400; out of range: 406.
 * Source: the microversion specification of the OpenStack API guideline.
 */
export function negotiateVersion(range: MicroversionRange, headers: Record<string, string | string[] | undefined>): Microversion {
  const asked = askedVersion(range, headers);
  if (asked === undefined) return range.minimum;
  if (asked === 'latest') return range.maximum;
  if (!/^([1-9]\d*)\.([1-9]\d*|0)$/.test(asked)) {
    throw badRequest(`API Version String ${asked} is of invalid format. Must be of format MajorNum.MinorNum.`, { type: 'malformedVersion' });
  }
  const wanted = version(asked);
  if (compareVersions(wanted, range.minimum) < 0 || compareVersions(wanted, range.maximum) > 0) {
    throw new CloudError('notAcceptable',
      `Version ${asked} is not supported by the API. Minimum is ${formatVersion(range.minimum)} and maximum is ${formatVersion(range.maximum)}.`,
      { details: { asked } });
  }
  return wanted;
}

function askedVersion(range: MicroversionRange, headers: Record<string, string | string[] | undefined>): string | undefined {
  const general = [headers['openstack-api-version']].flat().join(',');
  for (const entry of general.split(',')) {
    const [service, value, ...rest] = entry.trim().split(/\s+/);
    if (service?.toLowerCase() === range.service && value !== undefined && rest.length === 0) return value.toLowerCase();
  }
  if (!range.legacyHeader) return undefined;
  const legacy = headers[range.legacyHeader.toLowerCase()];
  return legacy === undefined ? undefined : [legacy].flat()[0]!.trim().toLowerCase();
}

/** Steps of a thing that changes with the version: `[['2.1', a], ['2.47', b]]`, ascending. */
export type VersionSteps<T> = readonly (readonly [string, T])[];

/** The step in force at `wanted`; undefined when the first step is later (the thing does not exist yet). */
export function pickStep<T>(steps: VersionSteps<T>, wanted: Microversion): T | undefined {
  let picked: T | undefined;
  for (const [from, value] of steps) {
    if (compareVersions(version(from), wanted) > 0) break;
    picked = value;
  }
  return picked;
}

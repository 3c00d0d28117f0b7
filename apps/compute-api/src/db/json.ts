/** A value made by the database's JSON functions: the driver hands it over parsed, or as text where it does not know the type. */
export const fromJson = <T>(value: unknown, empty: T): T => (value === null || value === undefined ? empty : typeof value === 'string' ? (JSON.parse(value) as T) : (value as T));

/** Texts that are kept parsed at most; a cloud has fewer flavors and images in use at a time. */
const KEPT = 500;
const kept = new Map<string, unknown>();
/** A JSON text that many rows share (their flavor, their image), parsed once. What comes back is shared as well: it is read only. */
export function sharedJson<T>(text: string): Readonly<T> {
  let value = kept.get(text);
  if (value === undefined) {
    if (kept.size >= KEPT) kept.clear();
    kept.set(text, (value = JSON.parse(text)));
  }
  return value as Readonly<T>;
}

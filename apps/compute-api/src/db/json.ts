/** A value made by the database's JSON functions: the driver hands it over parsed, or as text where it does not know the type. */
export const fromJson = <T>(value: unknown, empty: T): T => (value === null || value === undefined ? empty : typeof value === 'string' ? (JSON.parse(value) as T) : (value as T));

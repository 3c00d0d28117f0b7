import { FormatRegistry, Kind, type Static, type TSchema } from '@sinclair/typebox';
import { TypeCompiler, ValueErrorType, type TypeCheck, type ValueError } from '@sinclair/typebox/compiler';
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { isUuid, isUuidLike } from '@virga/core';
import { pythonRepr, type InputFault } from './faults';

const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;
const isWellFormed = (value: string): boolean => !LONE_SURROGATE.test(value);

/** Formats that schemas may name. */
const FORMATS: Record<string, (value: string) => boolean> = {
  uuid: isUuid,
  'uuid-like': isUuidLike,
  ip: (value) => isIP(value) !== 0,
  ipv4: isIPv4,
  ipv6: isIPv6,
  mac: (value) => /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value),
  uri: (value) => URL.canParse(value),
  'date-time': (value) => !Number.isNaN(Date.parse(value)),
  // Well-formed and without NUL: what a name may be made of.
  text: (value) => !value.includes('\u0000') && isWellFormed(value),
  base64: (value) => /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value),
};
for (const [name, check] of Object.entries(FORMATS)) FormatRegistry.Set(name, check);

const compiled = new WeakMap<TSchema, TypeCheck<TSchema>>();
const checker = (schema: TSchema): TypeCheck<TSchema> => {
  let check = compiled.get(schema);
  if (!check) compiled.set(schema, (check = TypeCompiler.Compile(schema)));
  return check;
};

/** Undefined when the value is right, else the first thing that is wrong with it. */
export function inputFault(schema: TSchema, value: unknown): InputFault | undefined {
  const check = checker(schema);
  if (check.Check(value)) return undefined;
  const error = firstError([...check.Errors(value)]);
  const path = error.path.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (error.type === ValueErrorType.ObjectRequiredProperty || error.type === ValueErrorType.ObjectAdditionalProperties) {
    const key = path.pop()!;
    const parent = path.reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], value);
    const reason = error.type === ValueErrorType.ObjectRequiredProperty
      ? `'${key}' is a required property`
      : `Additional properties are not allowed ('${key}' was unexpected)`;
    return { path, value: parent, reason };
  }
  return { path, value: error.value, reason: reasonOf(error) };
}

/** A missing or surplus property says more than the failures that follow from it. */
function firstError(errors: ValueError[]): ValueError {
  return errors.find((error) => error.type === ValueErrorType.ObjectRequiredProperty && error.path.split('/').length <= 3)
    ?? errors[0]!;
}

const JSON_TYPES: Record<string, string> = { String: 'string', Integer: 'integer', Number: 'number', Boolean: 'boolean', Object: 'object', Array: 'array', Null: 'null', Record: 'object' };

function reasonOf({ type, value, schema, message }: ValueError): string {
  const repr = pythonRepr(value);
  const shown = repr.length > 200 ? `${repr.slice(0, 200)}...` : repr;
  const rule = schema as TSchema & Record<string, unknown>;
  switch (type) {
    case ValueErrorType.StringMinLength: case ValueErrorType.ArrayMinItems: return `${shown} is too short`;
    case ValueErrorType.StringMaxLength: case ValueErrorType.ArrayMaxItems: return `${shown} is too long`;
    case ValueErrorType.StringPattern: return `${shown} does not match ${pythonRepr(rule.pattern)}`;
    case ValueErrorType.StringFormat: return `${shown} is not a ${pythonRepr(rule.format)}`;
    case ValueErrorType.IntegerMinimum: case ValueErrorType.NumberMinimum: return `${shown} is less than the minimum of ${String(rule.minimum)}`;
    case ValueErrorType.IntegerMaximum: case ValueErrorType.NumberMaximum: return `${shown} is greater than the maximum of ${String(rule.maximum)}`;
    case ValueErrorType.ObjectMinProperties: return `${shown} does not have enough properties`;
    case ValueErrorType.ObjectMaxProperties: return `${shown} has too many properties`;
    case ValueErrorType.ArrayUniqueItems: return `${shown} has non-unique elements`;
    case ValueErrorType.Literal: return `${shown} is not one of [${pythonRepr(rule.const)}]`;
    case ValueErrorType.Union: {
      const options = (rule.anyOf as TSchema[]).map((option) => (option[Kind] === 'Literal' ? pythonRepr(option.const) : undefined));
      return options.every((option) => option !== undefined)
        ? `${shown} is not one of [${options.join(', ')}]`
        : `${shown} is not of type ${[...new Set((rule.anyOf as TSchema[]).map((option) => `'${JSON_TYPES[option[Kind]] ?? option[Kind]}'`))].join(', ')}`;
    }
    default: {
      const wanted = JSON_TYPES[rule[Kind]];
      return wanted ? `${shown} is not of type '${wanted}'` : message;
    }
  }
}

export const matches = <S extends TSchema>(schema: S, value: unknown): value is Static<S> => checker(schema).Check(value);

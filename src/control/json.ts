/**
 * JSON that came from somewhere: trusted where both ends are of this package, else field by field.
 */

export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields of an object; none of anything else. */
export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

/**
 * Decodes what the other end of this package encoded: its shape is not checked again.
 *
 * @throws {SyntaxError} If it is not JSON.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows what it asked for
export function decodeTrusted<T>(text: string): T {
  const value: T = JSON.parse(text);
  return value;
}

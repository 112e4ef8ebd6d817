/**
 * Where something is in a JSON document.
 */

/** From the root to a value: names of fields, and places in lists from 0. */
export type JsonPath = readonly (string | number)[];

/** "retention.rules[2].match"; names that would not read so are in brackets, too. */
export function formatJsonPath(path: JsonPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (!/^[a-z_$][\w$]*$/i.test(part)) text += `[${JSON.stringify(part)}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

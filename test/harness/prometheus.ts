/**
 * Reads the text format of Prometheus (0.0.4), and refuses whatever is not exactly that.
 */

export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ParsedFamily {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly ParsedSample[];
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"`;
const COMMENT = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`);
const SAMPLE = new RegExp(String.raw`^(${NAME})(?:\{(${LABEL}(?:,${LABEL})*)\})? (\S+)$`);
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)$/i;
const UNITS = /_(?:seconds|bytes|info|total|ratio)$/;

/** @throws {Error} At the first line that is wrong, or the first family. */
export function parseMetrics(text: string): Map<string, ParsedFamily> {
  if (!text.endsWith('\n')) throw new Error('The last line does not end');
  const families = new Map<string, { type: string; help: string; samples: ParsedSample[] }>();
  const series = new Set<string>();
  let current = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    if (line.startsWith('#')) {
      const [, kind, name = '', rest = ''] = COMMENT.exec(line) ?? fail('Not a comment');
      if (kind === 'HELP') {
        if (families.has(name)) fail('Another block of one family');
        families.set(name, { type: '', help: rest, samples: [] });
        current = name;
      } else {
        const family = families.get(name);
        if (family === undefined || name !== current || family.type !== '') {
          return fail('TYPE without its HELP before it');
        }
        if (!/^(?:counter|gauge|histogram)$/.test(rest)) fail('Not a type');
        family.type = rest;
      }
      continue;
    }
    const [, name = '', labelText = '', valueText = ''] = SAMPLE.exec(line) ?? fail('Not a sample');
    const family = families.get(current);
    if (family === undefined || family.type === '') return fail('A sample of no family');
    const suffix = name.slice(current.length);
    const isOfFamily =
      name.startsWith(current) &&
      (family.type === 'histogram' ? /^_(?:bucket|sum|count)$/.test(suffix) : suffix === '');
    if (!isOfFamily) fail(`Not a sample of ${current}`);
    if (!VALUE.test(valueText)) fail('Not a number');
    const labels = parseLabels(labelText);
    const key = `${name}${JSON.stringify(Object.entries(labels).map(String).toSorted())}`;
    if (series.has(key)) fail('The same series again');
    series.add(key);
    family.samples.push({ name, labels, value: Number(valueText.replace('Inf', 'Infinity')) });
  }
  for (const [name, family] of families) checkFamily(name, family);
  return families;
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [pair] of text.matchAll(new RegExp(LABEL, 'g'))) {
    const at = pair.indexOf('=');
    const name = pair.slice(0, at);
    if (name in labels) throw new Error(`A label twice: ${text}`);
    labels[name] = pair
      .slice(at + 2, -1)
      .replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return labels;
}

function checkFamily(name: string, { type, samples }: ParsedFamily): void {
  if (samples.length === 0) throw new Error(`${name} has no sample`);
  if ((type === 'counter') !== name.endsWith('_total')) {
    throw new Error(`${name} is a ${type}`);
  }
  if (samples.some(({ value }) => Number.isNaN(value))) throw new Error(`${name} is not a number`);
  if (type === 'counter' && samples.some(({ value }) => value < 0)) {
    throw new Error(`${name} is below 0`);
  }
  if (type === 'histogram') checkHistogram(name, samples);
}

/** Whether what is measured in a unit says so in its name. */
export function hasUnit(name: string): boolean {
  return UNITS.test(name);
}

function checkHistogram(name: string, samples: readonly ParsedSample[]): void {
  const groups = new Map<string, ParsedSample[]>();
  for (const sample of samples) {
    const { le: _le, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const [key, group] of groups) {
    const buckets = group.filter((sample) => sample.name.endsWith('_bucket'));
    const count = group.find((sample) => sample.name.endsWith('_count'))?.value;
    const sum = group.find((sample) => sample.name.endsWith('_sum'))?.value;
    const bounds = buckets.map(({ labels }) => Number(labels['le']?.replace('Inf', 'Infinity')));
    const isWhole =
      ascends(bounds) &&
      new Set(bounds).size === bounds.length &&
      bounds.at(-1) === Infinity &&
      ascends(buckets.map(({ value }) => value)) &&
      buckets.at(-1)?.value === count &&
      sum !== undefined;
    if (!isWhole) throw new Error(`${name}${key} is no histogram`);
  }
}

function ascends(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => number >= (numbers[index - 1] ?? -Infinity));
}

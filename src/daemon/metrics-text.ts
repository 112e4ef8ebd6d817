/**
 * Measurements as text that Prometheus reads: its exposition format 0.0.4.
 *
 * Rule: pure; a family is written once, with all its samples. Names carry their unit, counters end in
 * _total, and whatever a label holds cannot break out of its line.
 *
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/
 */

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface HistogramSample {
  readonly labels: Labels;
  /** How many fell into each bucket: one for each bound, and one for what is above the last. */
  readonly buckets: readonly number[];
  readonly sum: number;
}

export type MetricFamily = {
  readonly name: string;
  readonly help: string;
} & (
  | { readonly type: 'counter' | 'gauge'; readonly samples: readonly Sample[] }
  | {
      readonly type: 'histogram';
      readonly bounds: readonly number[];
      readonly samples: readonly HistogramSample[];
    }
);

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Families without a sample are left out. */
export function formatMetrics(families: readonly MetricFamily[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .flatMap((family) => [
      `# HELP ${family.name} ${escapeHelp(family.help)}`,
      `# TYPE ${family.name} ${family.type}`,
      ...formatSamples(family),
    ])
    .map((line) => `${line}\n`)
    .join('');
}

function formatSamples(family: MetricFamily): string[] {
  if (family.type !== 'histogram') {
    return family.samples.map(({ labels, value }) => formatLine(family.name, labels, value));
  }
  const { name, bounds } = family;
  return family.samples.flatMap(({ labels, buckets, sum }) => {
    let count = 0;
    const lines = buckets.map((inBucket, index) => {
      count += inBucket;
      const bound = bounds[index];
      const le = bound === undefined ? '+Inf' : formatValue(bound);
      return formatLine(`${name}_bucket`, { ...labels, le }, count);
    });
    return [
      ...lines,
      formatLine(`${name}_sum`, labels, sum),
      formatLine(`${name}_count`, labels, count),
    ];
  });
}

function formatLine(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  const inBraces = pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
  return `${name}${inBraces} ${formatValue(value)}`;
}

function formatValue(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', String.raw`\n`);
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', String.raw`\"`);
}

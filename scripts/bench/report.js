/**
 * From times to figures: medians, ratios, their geometric mean, and a table of them. Pure functions.
 */

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param {readonly number[]} values */
export function geometricMean(values) {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/**
 * @param {import('./workloads.js').Workload} workload
 * @param {{ plain: number[], mount: number[] }} times
 * @param {object | undefined} messages
 */
export function summarize(workload, times, messages) {
  const [plainMs, mountMs] = [median(times.plain), median(times.mount)];
  const ratio = mountMs / plainMs;
  return {
    name: workload.name,
    plainMs,
    mountMs,
    plainRangeMs: [Math.min(...times.plain), Math.max(...times.plain)],
    mountRangeMs: [Math.min(...times.mount), Math.max(...times.mount)],
    ratio,
    mark: workload.mark,
    peer: workload.peer,
    isMet: ratio <= workload.mark,
    messages,
  };
}

/** Columns: the first to the left, the others to the right. */
export function formatTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const ms = (value) => (value < 100 ? value.toFixed(1) : value.toFixed(0));
const range = ([low, high]) => `${ms(low)}–${ms(high)}`;

/** @param {ReturnType<typeof summarize>[]} results */
export function formatResults(results) {
  const head = [
    'workload',
    'ext4 ms',
    'range',
    'mount ms',
    'range',
    'ratio',
    'mark',
    'peer',
    'met',
  ];
  const rows = results.map((result) => [
    result.name,
    ms(result.plainMs),
    range(result.plainRangeMs),
    ms(result.mountMs),
    range(result.mountRangeMs),
    result.ratio.toFixed(2),
    String(result.mark),
    result.peer === undefined ? '-' : String(result.peer),
    result.isMet ? 'yes' : 'NO',
  ]);
  return formatTable([head, ...rows]);
}

/** The kernel's messages: how many for one operation, what one costs, and which take the time. */
export function formatMessages(results) {
  const rows = results.flatMap(({ name, mountMs, messages }) =>
    messages === undefined
      ? []
      : [
          [
            name,
            `${messages.perOperation.toFixed(2)} per ${messages.unit}`,
            messages.usPerMessage.toFixed(1),
            `${ms(messages.busyMs)} of ${ms(mountMs)}`,
            messages.kinds
              .slice(0, 5)
              .map(({ kind, count, ms: kindMs }) => `${kind} ${count} (${ms(kindMs)} ms)`)
              .join(', '),
          ],
        ],
  );
  return rows.length === 0
    ? undefined
    : formatTable([['workload', 'messages', 'µs each', 'server ms', 'most time in'], ...rows]);
}

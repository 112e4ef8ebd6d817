/**
 * The text format of metrics, and what refuses a wrong one.
 */

import { describe, expect, test } from 'vitest';

import { formatMetrics } from '../../src/daemon/metrics-text.ts';
import { parseMetrics } from '../harness/prometheus.ts';

describe('formatMetrics', () => {
  test('writes each family once, with its help and its type', () => {
    const text = formatMetrics([
      {
        type: 'gauge',
        name: 'a_bytes',
        help: 'How much',
        samples: [
          { labels: {}, value: 1.5 },
          { labels: { x: 'y', z: '' }, value: 1e21 },
        ],
      },
      { type: 'counter', name: 'nothing_total', help: 'Never seen', samples: [] },
    ]);
    expect(text).toBe(
      '# HELP a_bytes How much\n# TYPE a_bytes gauge\na_bytes 1.5\na_bytes{x="y",z=""} 1e+21\n',
    );
  });

  test('adds up the buckets of a histogram', () => {
    const text = formatMetrics([
      {
        type: 'histogram',
        name: 'a_seconds',
        help: 'How long',
        bounds: [0.000_01, 1],
        samples: [{ labels: { op: 'x' }, buckets: [1, 2, 3], sum: 9.5 }],
      },
    ]);
    expect(text.split('\n').slice(2, -1)).toEqual([
      'a_seconds_bucket{op="x",le="0.00001"} 1',
      'a_seconds_bucket{op="x",le="1"} 3',
      'a_seconds_bucket{op="x",le="+Inf"} 6',
      'a_seconds_sum{op="x"} 9.5',
      'a_seconds_count{op="x"} 6',
    ]);
    expect(() => parseMetrics(text)).not.toThrow();
  });

  test.each(['"} 1\nforged 2', String.raw`\n is no line`, '\\', '{a="b"}, é, 🙂', ''])(
    'keeps %j inside its label',
    (label) => {
      const samples = [{ labels: { label }, value: 0 }];
      const text = formatMetrics([{ type: 'gauge', name: 'a', help: label || '-', samples }]);
      expect(text.split('\n')).toHaveLength(4);
      expect(parseMetrics(text).get('a')?.samples).toEqual([{ name: 'a', ...samples[0] }]);
    },
  );
});

describe('the parser', () => {
  const good = '# HELP a_total x\n# TYPE a_total counter\na_total{b="c"} 1\n';

  test('reads what is right', () => {
    expect(parseMetrics(good).get('a_total')?.samples).toEqual([
      { name: 'a_total', labels: { b: 'c' }, value: 1 },
    ]);
  });

  test.each([
    ['no end', 'The last line does not end', good.slice(0, -1)],
    ['no help', 'TYPE without its HELP', good.replace(/^# HELP.*\n/, '')],
    ['no type', 'A sample of no family', good.replace(/# TYPE.*\n/, '')],
    ['an open label', 'Not a sample', good.replace('"}', '}')],
    ['an unknown escape', 'Not a sample', good.replace('"c"', String.raw`"\c"`)],
    ['a word for a number', 'Not a number', good.replace(' 1\n', ' one\n')],
    ['two spaces', 'Not a sample', good.replace('} 1', '}  1')],
    ['a series twice', 'The same series again', `${good}a_total{b="c"} 2\n`],
    ['a family twice', 'Another block of one family', good + good],
    ['a stranger', 'Not a sample of a_total', `${good}b_total 1\n`],
    ['a counter without _total', 'a is a counter', good.replaceAll('a_total', 'a')],
    ['a gauge with _total', 'a_total is a gauge', good.replace('counter', 'gauge')],
    ['an empty line', 'Not a sample', `${good}\n`],
  ])('refuses %s', (_what, message, text) => {
    expect(() => parseMetrics(text)).toThrow(message);
  });
});

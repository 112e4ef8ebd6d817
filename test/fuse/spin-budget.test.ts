/**
 * When the loop spins and when it sleeps.
 */

import { expect, test } from 'vitest';

import { SpinBudget } from '../../src/fuse/spin-budget.ts';

test('a budget spins from the start and goes on while every other wait is short', () => {
  const budget = new SpinBudget(0.05);
  for (let i = 0; i < 100; i += 1) {
    expect(budget.begin()).toBe(0.05);
    if (i % 2 === 0) budget.lost();
    else budget.won();
  }
});

test('a budget that only loses spins once in eight, and again each time after a win', () => {
  const budget = new SpinBudget(0.05);
  for (let i = 0; i < 8; i += 1) budget.lost();
  const spins = Array.from({ length: 16 }, () => budget.begin()).filter((ms) => ms > 0);
  expect(spins.length).toBe(2);
  budget.won();
  expect(budget.begin()).toBe(0.05);
});

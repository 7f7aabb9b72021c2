import assert from 'node:assert/strict';
import test from 'node:test';
import { greeting } from '../src/greeting.js';

test('people are called by their name', () => {
  assert.equal(greeting('Ada'), 'Hello, Ada!\n');
  assert.equal(greeting(null), 'Hello, stranger!\n');
});

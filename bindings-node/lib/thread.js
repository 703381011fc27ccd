'use strict';

const { invalid } = require('./errors.js');

/**
 * Has sending the object to another thread, or cloning it, fail with a word about why. Cloning would otherwise give an
 * empty object there. It reads every enumerable property.
 */
function keepHere(object, name) {
  Object.defineProperty(object, 'thread', {
    enumerable: true,
    get() {
      throw invalid(`${name} stays in its thread and cannot be cloned: open the store in each thread`);
    },
  });
  return object;
}

module.exports = { keepHere };

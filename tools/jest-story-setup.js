const { AsyncLocalStorage } = require('node:async_hooks');

/** Stories start real servers; this bounds a hang, it asserts nothing about speed. */
jest.setTimeout(180_000);

/*
 * Node goes through every storage that is in use whenever a promise is made, and each file of stories has its own ones in the one process
 * that runs them all: the last file was several times slower than the first. What earlier files have left is taken out of use here.
 */
const USED = Symbol.for('virga.stories.storages');
if (!AsyncLocalStorage[USED]) {
  const used = (AsyncLocalStorage[USED] = new Set());
  for (const enter of ['run', 'enterWith']) {
    const original = AsyncLocalStorage.prototype[enter];
    AsyncLocalStorage.prototype[enter] = function (...given) {
      used.add(this);
      return original.apply(this, given);
    };
  }
}
for (const storage of AsyncLocalStorage[USED]) storage.disable();
AsyncLocalStorage[USED].clear();

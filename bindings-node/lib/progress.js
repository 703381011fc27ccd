'use strict';

const { answered, invalid } = require('./errors.js');
const native = require('./native.js');

/** How often `onProgress` is called while work is under way on another thread, in milliseconds. */
const INTERVAL = 50;

function check(onProgress) {
  if (onProgress === undefined || onProgress === null) return undefined;
  if (typeof onProgress !== 'function') throw invalid('onProgress must be a function');
  return onProgress;
}

/** Runs native work that tells its progress here and now. */
function now(onProgress, work) {
  if (check(onProgress) === undefined) return answered(work(undefined));
  let thrown;
  const answer = work((...numbers) => {
    if (thrown !== undefined) return false;
    try {
      onProgress(...numbers);
      return true;
    } catch (error) {
      thrown = { error };
      return false;
    }
  });
  if (thrown !== undefined) throw thrown.error;
  return answered(answer);
}

/** Runs native work on another thread, and looks now and then how far it is. */
async function later(onProgress, work) {
  if (check(onProgress) === undefined) return answered(await work(undefined));
  const handle = answered(native.beginProgress());
  let thrown;
  let told;
  const tell = () => {
    const numbers = answered(native.progressOf(handle));
    if (thrown !== undefined || numbers.join() === told || (told === undefined && numbers[0] === 0)) return;
    told = numbers.join();
    try {
      onProgress(...numbers);
    } catch (error) {
      thrown = { error };
      native.stopProgress(handle);
    }
  };
  const timer = setInterval(tell, INTERVAL);
  try {
    const answer = await work(handle);
    if (answer?.failure !== true) tell();
    if (thrown !== undefined) throw thrown.error;
    return answered(answer);
  } finally {
    clearInterval(timer);
    native.releaseProgress(handle);
  }
}

module.exports = { later, now };

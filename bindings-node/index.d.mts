import * as keyfold from './index.js';

export * from './index.js';
export default keyfold;

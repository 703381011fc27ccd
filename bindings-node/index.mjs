import keyfold from './index.js';

export const {
  open,
  openAsync,
  Store,
  Key,
  KeyfoldError,
  errorCodes,
  generateMasterKey,
  isCiphertext,
  toText,
  fromText,
  version,
} = keyfold;
export default keyfold;

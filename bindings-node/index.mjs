import keyfold from './index.js';

export const {
  open,
  openAsync,
  restore,
  restoreAsync,
  Store,
  Key,
  EncryptStream,
  DecryptStream,
  Passphrase,
  RecoveryKey,
  Shares,
  KeyfoldError,
  errorCodes,
  generateMasterKey,
  isCiphertext,
  toText,
  fromText,
  indexReport,
  indexReportAsync,
  PURPOSES,
  version,
} = keyfold;
export default keyfold;

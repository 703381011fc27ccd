import keyfold = require('keyfold');

const store: keyfold.Store = keyfold.open('app.keyfold');
const sealed: string = store.key('pii').encryptText('ada');
// @ts-expect-error No such export.
keyfold.encrypt(sealed);

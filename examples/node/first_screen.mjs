// The README's first sample. It wants a store with a key named pii:
//
//   keyfold master-key generate --out master.key
//   export KEYFOLD_STORE=app.keyfold KEYFOLD_MASTER_KEY=file:master.key
//   keyfold init && keyfold key create pii

import { open } from "keyfold";

const store = open("app.keyfold");
const pii = store.key("pii");
const context = { table: "users", column: "email", id: 42 };
const sealed = pii.encryptText("ada@example.org", { context });
console.log(pii.decryptText(sealed, { context }));
store.close();

// The README's first sample. It wants app.keyfold with a key named pii, and KEYFOLD_MASTER_KEY:
//
//   export KEYFOLD_MASTER_KEY=$(keyfold master-key generate)
//   keyfold --store app.keyfold init && keyfold --store app.keyfold key create pii

import { open } from "keyfold";

const store = open("app.keyfold");
const pii = store.key("pii");
const context = { table: "users", column: "email", id: 42 };
const sealed = pii.encryptText("ada@example.org", { context });
console.log(pii.decryptText(sealed, { context }));
store.close();

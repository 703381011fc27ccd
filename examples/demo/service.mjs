// Another service on the same database: reads every customer, finds one by e-mail, adds a hundred.
//
//   node service.mjs DATABASE EMAIL
import { open } from "keyfold";
import sqlite from "node-sqlite3-wasm";

const [path, wanted] = process.argv.slice(2);
const columns = ["email", "phone", "note"];
const place = (column, id) => ({ table: "customers", column, id });

const store = open("app.keyfold");
const key = store.key("customers");
const database = new sqlite.Database(path);

const rows = database.all("SELECT id, email, phone, note FROM customers");
const started = performance.now();
for (const row of rows) {
  for (const column of columns) key.decryptText(row[column], { context: place(column, row.id) });
}
const seconds = ((performance.now() - started) / 1000).toFixed(2);
console.log(`   ${(rows.length * columns.length).toLocaleString("en")} fields read in ${seconds} s`);

const found = database.all("SELECT id, name, email FROM customers WHERE email_index = ?", [
  key.blindIndex(wanted, "customers.email"),
]);
if (found.length !== 1) throw new Error(`found ${found.length} customers with that e-mail`);
const [{ id, name, email }] = found;
console.log(`   by e-mail: ${id} | ${name} | ${key.decryptText(email, { context: place("email", id) })}`);

const last = rows.length;
for (let n = 1; n <= 100; n++) {
  const row = last + n;
  const seal = (column, text) => key.encryptText(text, { context: place(column, row) });
  const address = `node${n}@example.org`;
  database.run("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?)", [
    row,
    `Customer ${row}`,
    "Lisbon",
    seal("email", address),
    key.blindIndex(address, "customers.email"),
    seal("phone", `+351 21 000 ${String(n).padStart(4, "0")}`),
    seal("note", "added by the Node service"),
  ]);
}
console.log("   100 customers added");
database.close();
store.close();

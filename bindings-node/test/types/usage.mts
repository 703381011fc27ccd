// Compiled and never run: what must be accepted, and what must not.

import keyfold, {
  DecryptStream,
  KeyfoldError,
  Passphrase,
  RecoveryKey,
  Shares,
  errorCodes,
  indexReport,
  isCiphertext,
  open,
  openAsync,
  restore,
  toText,
} from 'keyfold';
import type { BackupInfo, CiphertextInfo, Context, ErrorCode, Key, KeyInfo, OpenOptions, RecipientInfo, Store, VersionInfo } from 'keyfold';

const store: Store = open('app.keyfold');
const pii: Key = store.key('pii');
const context = { table: 'users', column: 'email', id: 42 };
const sealed: string = pii.encryptText('ada@example.org', { context });
const opened: string = pii.decryptText(sealed, { context });

const options: OpenOptions = { masterKey: () => new Uint8Array(32), create: true, refreshInterval: '1s', anchor: null };
open('app.keyfold', options);
open('app.keyfold', { masterKey: Buffer.alloc(32) });
open('app.keyfold', { masterKey: null });
const later: Promise<Store> = openAsync('app.keyfold', { masterKey: async () => new Uint8Array(32) });

const info: KeyInfo = store.createKey('k', { algorithm: 'XAES256_GCM', purpose: 'pii', labels: { a: 'b' }, existOk: true });
const created: Date = info.createdAt;
const rotated: VersionInfo = await store.rotateKeyAsync('k');
const found: CiphertextInfo[] = store.inspect(sealed);
const bytes: Buffer = pii.encrypt(new Uint8Array(3), { aad: new Uint8Array(2) });
const plain: Buffer = pii.decrypt(bytes);
const written: number = pii.encryptInto(Buffer.alloc(99), plain, { context: { big: 5n, raw: bytes } satisfies Context });
const movedText: string = pii.reencrypt(sealed);
const movedBytes: Buffer = pii.reencrypt(bytes);
const index: Buffer = pii.blindIndex('ada', 'users.email', { kind: 'exact', bits: 64 });
const none: null = pii.blindIndex(null, 'users.email');
const code: ErrorCode | undefined = errorCodes[0];
const text: string = toText(bytes);
const whole: typeof open = keyfold.open;
{
  using scoped = open('app.keyfold');
  await using other = await openAsync('app.keyfold');
  scoped.fingerprint();
  other.warnings();
}

try {
  store.check();
} catch (error) {
  if (error instanceof KeyfoldError && error.code === 'KEYFOLD_BUSY') {
    const wait: number | null = error.retryAfter;
    console.log(wait, error.keyId, error.cause);
  }
}

declare const unknown: unknown;
if (isCiphertext(unknown)) pii.decrypt(unknown);

const names: (string | null)[] = pii.decryptManyText(pii.encryptManyText(['a', null], { contexts: [context, context] }), { contexts: [context, context] });
const torn: (string | null | KeyfoldError)[] = pii.decryptManyText(names, { onError: 'return' });
const packed = pii.encryptManyPacked({ bytes, offsets: Uint32Array.of(0, bytes.length) }, { aads: [bytes] });
const cut: Buffer = packed.bytes.subarray(packed.offsets[0]);
const sealing = pii.encryptStream({ context, highWaterMark: 1024 });
const opening = pii.decryptStream();
sealing.pipe(opening);
const of: number | null = opening.version;
const moved: Promise<number> = pii.encryptFileAsync('a', 'b', { force: true, onProgress: (done: number) => console.log(done) });
const several: OpenOptions = { masterKey: ['env:A', new Passphrase('p', { pbkdf2Rounds: 600_000 }), RecoveryKey.generate(), Shares.split(2, 3), () => bytes], mode: 'use' };
const recipient: Promise<RecipientInfo> = store.addRecipientAsync(async () => bytes, { id: 'a' });
const due: Date = store.runDue().at;
const hex: string = store.getEncryptionKey('k', 32, 'hex');
const whole32: Buffer = store.getEncryptionKey('k', 32);
const { anchor }: BackupInfo = store.backup('b');
restore('b', 'c', { masterKey: ['file:a', bytes], anchor });
for (const one of store.iterKeys({ state: 'archived' })) console.log(one.rotationDueAt?.getTime());
for await (const one of store.iterKeysAsync()) console.log(one.expiresIn);
store.exportKeyset('k', { key: 'pii', format: 'binary' });
store.createKeys([{ keyId: 'a', kind: 'mac' }]);
pii.blindIndexCompound([['a', 'b'], ['c', bytes]], { normalize: ['trim'] });
const leaked: number = indexReport(['a', null]).leakedBits;

// @ts-expect-error Errors stand among the values only where asked for.
const noErrors: (string | null)[] = pii.decryptManyText(names, { onError: 'return' });
// @ts-expect-error One context, or one for each.
pii.encryptManyText(names, { context, contexts: [context] });
// @ts-expect-error A keyset wants a word about its protection.
store.exportKeyset('k', {});
// @ts-expect-error Shares of one.
new Shares('kfs1-');
// @ts-expect-error Delays are text.
store.scheduleDestruction('k', 1, { delay: 30 });
// @ts-expect-error Streams come from a key.
new DecryptStream();
// @ts-expect-error Not a state that is set.
store.setVersionState('k', 1, 'destroyed');
// @ts-expect-error restore cannot wait for a Promise.
restore('a', 'b', { masterKey: async () => bytes });
// @ts-expect-error Stores come from open.
new keyfold.Store();
// @ts-expect-error The master key is not the second parameter.
open('app.keyfold', 'env:NAME');
// @ts-expect-error Durations are text.
open('app.keyfold', { refreshInterval: 5 });
// @ts-expect-error No such option.
open('app.keyfold', { creat: true });
// @ts-expect-error open cannot wait for a Promise.
open('app.keyfold', { masterKey: async () => new Uint8Array(32) });
// @ts-expect-error Text goes through encryptText.
pii.encrypt('ada');
// @ts-expect-error Text as aad.
pii.encrypt(bytes, { aad: 'users' });
// @ts-expect-error aad and context exclude each other.
pii.encrypt(bytes, { aad: bytes, context: { a: 'b' } });
// @ts-expect-error A boolean in a context.
pii.encrypt(bytes, { context: { a: true } });
// @ts-expect-error Null in a context.
pii.encrypt(bytes, { context: { a: null } });
// @ts-expect-error The fields belong into { context }.
pii.encrypt(bytes, { table: 'users' });
// @ts-expect-error No such algorithm.
store.createKey('k', { algorithm: 'AES128_GCM' });
// @ts-expect-error Null has no ciphertext.
pii.encrypt(null);
// @ts-expect-error The id cannot be set.
pii.id = 'other';
// @ts-expect-error No such code.
if (new KeyfoldError('KEYFOLD_BUSY', '').code === 'KEYFOLD_BUSSY') console.log();

export { cut, due, hex, leaked, moved, noErrors, of, recipient, several, torn, whole32 };
export { bytes, code, created, found, index, later, movedBytes, movedText, none, opened, rotated, text, whole, written };

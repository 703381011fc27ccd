/// <reference types="node" />
/// <reference lib="esnext.disposable" />

import type { Transform } from 'node:stream';

/**
 * keyfold keeps data-encryption keys in one SQLite file, wrapped by a master key, and encrypts an application's
 * fields and values under them.
 *
 * Whatever goes wrong is a {@link KeyfoldError} with a `code`. Methods that may wait for the disk have a twin named
 * `…Async` that gives a Promise and leaves the event loop free.
 */

/**
 * Where the master key comes from, without a function. Nothing means the variable `KEYFOLD_MASTER_KEY`. Of several, in
 * an array, each is tried in order until one serves; what is added is added with the first that can be read.
 */
export type MasterKeySource = SingleMasterKey | readonly (SingleMasterKey | (() => Uint8Array))[] | null | undefined;

/** As {@link MasterKeySource}, one of them. */
export type SingleMasterKey =
  /** The 32 bytes; they are copied, and the caller wipes his own. */
  | Uint8Array
  /**
   * `"env:NAME"`, `"file:PATH"`, `"fd:N"`, the base64 of the 32 bytes, a recovery key, shares with spaces between, or
   * where a passphrase lies, as in `"passphrase:file:PATH"`.
   */
  | string
  | Passphrase
  | RecoveryKey
  | Shares;

/** A master key, also by a function that gives the 32 bytes. */
export type MasterKey = MasterKeySource | (() => Uint8Array);

/** As {@link MasterKey}; functions may also give a Promise of the 32 bytes. */
export type MasterKeyLater =
  | MasterKey
  | (() => Promise<Uint8Array>)
  | readonly (SingleMasterKey | (() => Uint8Array | Promise<Uint8Array>))[];

/** What guessing a passphrase shall cost where a recipient is made for it. */
export type PassphraseCosts =
  /** Argon2id: memory in KiB (19,456 to 1,048,576), passes (1 to 10), lanes (1 to 8). Default: 65,536, 3, 1. */
  | { memoryKib: number; passes: number; lanes: number }
  /** PBKDF2-HMAC-SHA256, for those who must: 600,000 to 10,000,000 rounds. */
  | { pbkdf2Rounds: number };

/** A passphrase, kept in locked memory; the string that it was made of stays JavaScript's. */
export class Passphrase {
  constructor(text: string, costs?: PassphraseCosts);
  private readonly thread: never;
}

/** A recovery key: show it once, have it printed, and add it as a recipient. */
export class RecoveryKey {
  /** One that was printed, `kfr1-…`. The error says which group is mistyped. */
  constructor(text: string);
  /** A new one. */
  static generate(): RecoveryKey;
  /** The text to print, of one that was made here. Whoever reads it can open the store. */
  reveal(): string;
  private readonly thread: never;
}

/** A random secret in shares, any `threshold` of which open the store. */
export class Shares {
  /** Enough of the texts that were handed out, `kfs1-…` each. */
  constructor(texts: readonly string[]);
  /** A new secret in `count` shares: 2 ≤ threshold ≤ count ≤ 16. */
  static split(threshold: number, count: number): Shares;
  /** The texts to hand out, of shares that were made here. */
  reveal(): string[];
  private readonly thread: never;
}

/** A length of time: `"5s"`, `"500ms"`, `"30d"`. Bare numbers are refused. */
export type Duration = string;

/** How a store is opened; everything else than the master key. */
export interface PlainOpenOptions {
  /** Make the store if there is none; whoever comes second opens it. Default: false. */
  create?: boolean | undefined;
  /** How soon a change by another process is used here. Default: `"1s"`; 10 ms to 1 h. */
  refreshInterval?: Duration | undefined;
  /** How long keys serve when the file cannot be read; then calls fail. Default: `"60s"`. */
  maxStale?: Duration | undefined;
  /** How long to wait for another process before `KEYFOLD_BUSY`. Default: `"5s"`. */
  busyTimeout?: Duration | undefined;
  /** Refuse a copy of the store that is older than this anchor or forked before it. */
  anchor?: string | null | undefined;
  /** Refuse a store with another identity than this. */
  fingerprint?: string | null | undefined;
  /** Who acts, for the audit log. Default: the user's number, as in `uid:1000`. */
  actor?: string | null | undefined;
  /** Open a store on a network file system although its locks are not dependable. Default: false. */
  allowNetworkFs?: boolean | undefined;
  /**
   * What the open store may do: `"metadata"` shows and needs no master key, but verifies nothing; `"use"` encrypts and
   * decrypts, and hands out no raw key. Default: `"admin"`, everything.
   */
  mode?: Mode | null | undefined;
  /** Never write and take no locks, for read-only file systems. Nobody may write the file meanwhile. Default: false. */
  immutable?: boolean | undefined;
  /** Refuse what is for development: `insecureDev`, key files that others may read, network file systems. */
  production?: boolean | undefined;
  /** Make and open the store with a random key in a file beside it. Never for data that matters. Default: false. */
  insecureDev?: boolean | undefined;
  /** Fail where key memory cannot be kept out of swap, rather than warn. Default: false. */
  requireMlock?: boolean | undefined;
}

/** What an open store may do. */
export type Mode = 'metadata' | 'use' | 'admin';

/** How {@link open} opens a store. */
export interface OpenOptions extends PlainOpenOptions {
  /**
   * Where the master key comes from. A function is called before the store is opened and gives the 32 bytes; what
   * it throws is the `cause` of a `KEYFOLD_PROVIDER_UNAVAILABLE`.
   */
  masterKey?: MasterKey;
}

/** How {@link openAsync} opens a store. */
export interface OpenAsyncOptions extends PlainOpenOptions {
  /** As for {@link open}; the function may also give a Promise of the 32 bytes. */
  masterKey?: MasterKeyLater;
}

/** What a key's bytes are used for. */
export type KeyKind = 'aead' | 'deterministic' | 'stream' | 'mac' | 'derive';

/** Name of an algorithm; each belongs to one kind. */
export type Algorithm =
  | 'AES256_GCM_SIV'
  | 'AES256_GCM'
  | 'XAES256_GCM'
  | 'XCHACHA20_POLY1305'
  | 'AES256_SIV'
  | 'AES256_GCM_HKDF_1MB'
  | 'HMAC_SHA256'
  | 'HMAC_SHA512'
  | 'HKDF_SHA256';

/** What a key is for: one that every store has, or that was registered. Its keys share the root of their blind indexes. */
export type Purpose = 'pii' | 'financial' | 'medical' | 'credentials' | 'api' | 'backup' | (string & {});

/** What a key version may do. */
export type VersionState =
  | 'staged'
  | 'enabled'
  | 'decrypt_only'
  | 'disabled'
  | 'revoked'
  | 'pending_destruction'
  | 'destroyed';

/** What a key is made as. */
export interface CreateKeyOptions {
  /** Default: `"aead"`. */
  kind?: KeyKind | null | undefined;
  /** Default: that of the kind, `"AES256_GCM_SIV"` for `aead`. */
  algorithm?: Algorithm | null | undefined;
  /** What the key is for. */
  purpose?: Purpose | null | undefined;
  /** A note for people. */
  description?: string | null | undefined;
  /** Names and values of your choice, 64 at most. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** Whether its raw bytes may ever leave the store. Cannot be changed later. Default: false. */
  exportable?: boolean | undefined;
  /** Give the key as it is where it exists with the same kind, algorithm and purpose. Default: false. */
  existOk?: boolean | undefined;
  /** How long each version encrypts; decrypting goes on. Default: for ever. */
  expiresIn?: Duration | null | undefined;
  /** When a version nears its safe number of messages: make the next one, or encrypt no more. Default: `"rotate"`. */
  onLimit?: 'rotate' | 'refuse' | null | undefined;
}

/** How a key's next version is made. */
export interface RotateKeyOptions {
  /** Make it `staged`: every process learns to decrypt by it, and `promoteVersion` has it encrypt. Default: false. */
  stage?: boolean | undefined;
  /** Another algorithm of the key's kind, from this version on. */
  algorithm?: Algorithm | null | undefined;
}

/** What a purpose is registered as. */
export interface PurposeOptions {
  description?: string | null | undefined;
  /** How long a version of its keys should stay current. Default: no advice. */
  rotationPeriod?: Duration | null | undefined;
  /** Give a purpose that exists this description and period. Default: false. */
  update?: boolean | undefined;
}

/** A purpose. */
export interface PurposeInfo {
  purpose: string;
  description: string | null;
  rotationPeriod: Duration | null;
  /** Whether every store has it. */
  builtIn: boolean;
  /** When it was registered, or first used. */
  createdAt: Date | null;
  /** Whether it was verified: everywhere but in mode `metadata`, which shows what the file says. */
  verified: boolean;
}

/** Whose blind indexes: those of all keys of a purpose, by its name or in an object, or of a key without one. */
export type IndexScope = string | { readonly purpose: string } | { readonly keyId: string };

/** A version of what blind indexes depend on, without its bytes. */
export interface IndexSaltInfo {
  version: number;
  /** Whether `blindIndex` uses it; the others are for finding what is not yet indexed anew. */
  isCurrent: boolean;
  createdAt: Date;
  /** Whether it was verified: everywhere but in mode `metadata`, which shows what the file says. */
  verified: boolean;
}

/** How many messages a version has sealed. */
export interface VersionUsage {
  version: number;
  messages: number;
  limit: number;
  /** Whether it was verified: everywhere but in mode `metadata`, which shows what the file says. */
  verified: boolean;
}

/** A way to open the store, without its secret. */
export interface RecipientInfo {
  recipientId: string;
  kind: string;
  createdAt: Date;
  description: string | null;
  /** What guessing a passphrase costs. */
  parameters: Record<string, string>;
  /** Whether this store was opened by it. */
  isMine: boolean;
  /** Whether it was verified: everywhere but in mode `metadata`, which shows what the file says. */
  verified: boolean;
}

/** How a recipient is added. */
export interface AddRecipientOptions {
  /** Its name in the store. Default: its kind and a number. */
  id?: string | null | undefined;
  /** A note for people: where the paper lies, who holds the shares. */
  description?: string | null | undefined;
}

/** What a new key-encryption key took. */
export interface MasterKeyRotation {
  kekVersion: number;
  /** Those that it was made for. */
  recipients: string[];
  /** How many secrets were wrapped anew. */
  rewrapped: number;
  /** Whether superseded wraps may still be in the write-ahead log. */
  purgePending: boolean;
}

/** What a recovery drill found. */
export interface DrillReport {
  recipient: RecipientInfo;
  check: CheckReport;
}

/** What {@link Store.runDue} did. */
export interface RunDueReport {
  at: Date;
  destroyed: { keyId: string; version: number }[];
  /** Keys that do not verify, and so were left alone. */
  failures: { keyId: string; problem: string }[];
  purgePending: boolean;
}

/** How the bytes of a key are written. */
export type KeyEncoding = 'raw' | 'hex' | 'base64';

/** What imported key material becomes. */
export interface ImportKeyOptions {
  /** Default: `"raw"`, which is for bytes alone. */
  encoding?: KeyEncoding | undefined;
  /** The next version of a key that exists; of the rest only `algorithm` may be given then. Default: false. */
  asVersion?: boolean | undefined;
  kind?: KeyKind | null | undefined;
  algorithm?: Algorithm | null | undefined;
  purpose?: Purpose | null | undefined;
  description?: string | null | undefined;
  labels?: Readonly<Record<string, string>> | undefined;
  exportable?: boolean | undefined;
  expiresIn?: Duration | null | undefined;
  onLimit?: 'rotate' | 'refuse' | null | undefined;
}

/** What keeps a keyset from whoever reads it: exactly one of these. */
export type KeysetProtection =
  /** Nothing: whoever sees it has the keys. */
  | { insecureCleartext: true }
  | { passphrase: string | Uint8Array }
  /** A key of kind `aead` of this store, by its id. */
  | { key: string };

/** On export, also: the store that is to have it, by what {@link Store.recipientPublicKey} of that one gives. */
export type KeysetTarget = KeysetProtection | { recipient: string };

/** On import, also: sealed to the recipient that this store was opened by. */
export type KeysetSource = KeysetProtection | { ownRecipient: true };

/** What an imported keyset becomes. */
export interface ImportKeysetOptions {
  /** Have a fresh version encrypt from now on, and the imported ones only decrypt. Default: false. */
  rotate?: boolean | undefined;
  purpose?: Purpose | null | undefined;
  description?: string | null | undefined;
  labels?: Readonly<Record<string, string>> | undefined;
  exportable?: boolean | undefined;
  expiresIn?: Duration | null | undefined;
  onLimit?: 'rotate' | 'refuse' | null | undefined;
}

/** An exported keyset: text, but a Buffer for the binary format without a passphrase or recipient. */
export interface Keyset {
  keyset: string | Buffer;
  /** What of the key it does not say. */
  losses: string[];
}

/** A backup that was made. */
export interface BackupInfo {
  /** Where it stands. Keep it apart from the backup and restore with it: no older copy passes. */
  anchor: string;
  /** What checking the copy gave. */
  check: CheckReport;
}

/** Called now and then; what it throws is thrown on when the backup is made, as nothing stops it. */
export interface BackupOptions {
  onProgress?: ((pagesDone: number, pages: number) => void) | undefined;
}

/** How a backup is restored. */
export interface PlainRestoreOptions {
  /** Write over a store that is another than the backup's. Default: false. */
  replaceOtherStore?: boolean | undefined;
  /** Write over a store that does not verify, or that the master key does not open. Default: false. */
  force?: boolean | undefined;
  /** Refuse a backup that is older than this anchor or forked before it. */
  anchor?: string | null | undefined;
  /** Refuse a backup of another store than this. */
  fingerprint?: string | null | undefined;
  actor?: string | null | undefined;
  busyTimeout?: Duration | undefined;
  allowNetworkFs?: boolean | undefined;
}

/** A backup that was restored. */
export interface RestoreInfo {
  /** Where the restored store stands; anchors of what was written over open it no more. */
  anchor: string;
  fingerprint: string;
  /** Whether a store was there, and was written over. */
  replaced: boolean;
  /** The keys that got a new version, as what AES256_GCM has sealed since the backup is not known. */
  rotated: string[];
}

/** What was set aside. */
export interface Quarantined {
  kind: 'key' | 'purpose';
  id: string;
  reason: string;
  createdAt: Date;
}

/** What an index tells whoever reads its column: upper bounds, in bits a row. */
export interface IndexReport {
  rows: number;
  nulls: number;
  distinctValues: number;
  /** The chance of guessing a row's value without its index. */
  mostCommonShare: number;
  valueEntropy: number;
  valueMinEntropy: number;
  bits: number;
  distinctIndexes: number;
  /** What a row's index tells of its value, on average. */
  leakedBits: number;
  remainingBits: number;
  /** The chance of guessing a row's value right in one guess, with its index. */
  guessChance: number;
  minEntropyLeaked: number;
  /** How many rows a search finds, on average, and how many of them hold another value. */
  found: number;
  falsePositives: number;
  /** The most bits that surely leave a bit to find out; null where the values have too little entropy. */
  recommendedBits: number | null;
  narrowestBits: number;
}

/** Which keys a listing shows; what is left out matches all. */
export interface KeyFilter {
  kind?: string | null | undefined;
  purpose?: string | null | undefined;
  algorithm?: string | null | undefined;
  /** Keys whose current version is in this state, or `archived`. */
  state?: VersionState | 'archived' | null | undefined;
  /** Keys with all of these labels. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** Keys with this text in their id or description, taken literally. */
  search?: string | null | undefined;
  /** Keys whose id comes after this one: for reading a long list in parts. */
  after?: string | null | undefined;
  /** At most so many. */
  limit?: number | undefined;
}

/** A key, without its bytes. */
export interface KeyInfo {
  keyId: string;
  kind: string;
  /** The algorithm of new versions. */
  algorithm: string;
  purpose: string | null;
  description: string | null;
  /** The number of the version that encrypts. */
  currentVersion: number | null;
  exportable: boolean;
  /** Whether it encrypts no more. */
  archived: boolean;
  createdAt: Date;
  /** When its current version stops encrypting. */
  expiresAt: Date | null;
  /** How long each version encrypts. */
  expiresIn: Duration | null;
  onLimit: 'rotate' | 'refuse';
  /** When the rotation period of its purpose ends for the current version. */
  rotationDueAt: Date | null;
  labels: Record<string, string>;
  /** Whether it was verified: everywhere but in mode `metadata`, which shows what the file says. */
  verified: boolean;
}

/** A version of a key, without its bytes. */
export interface VersionInfo {
  keyId: string;
  /** 1, 2, 3… */
  version: number;
  /** The number in front of its ciphertexts. */
  tag: number;
  /** Whether this is the version that encrypts. */
  isCurrent: boolean;
  state: VersionState;
  algorithm: string;
  createdAt: Date;
  expiresAt: Date | null;
  destroyAt: Date | null;
  stateReason: string | null;
  /** Whether it was verified: everywhere but in mode `metadata`, which shows what the file says. */
  verified: boolean;
}

/** Which version made a ciphertext, as its public tag says; nothing of the ciphertext is verified. */
export interface CiphertextInfo {
  keyId: string;
  version: number;
  tag: number;
  algorithm: string;
  /** Whether that version still encrypts: if not, the ciphertext is stale. */
  isCurrent: boolean;
  state: VersionState;
  /** When the version was made: the ciphertext is no older. */
  createdAt: Date;
  /** When the version stops encrypting, and whether that is past; the ciphertext still opens. */
  expiresAt: Date | null;
  expired: boolean;
  /** Whether what it says of the version was verified: everywhere but in mode `metadata`. */
  verified: boolean;
}

/** One thing that is wrong with a store. */
export interface Finding {
  /** What it concerns: `key pii`, `audit`, `database`. */
  subject: string;
  problem: string;
  /** What to do. */
  advice: string;
}

/** What {@link Store.check} found. */
export interface CheckReport {
  /** Whether nothing is wrong. Warnings do not count. */
  ok: boolean;
  findings: Finding[];
  /** What deserves attention though nothing is wrong. */
  warnings: Finding[];
  /** How many keys were verified. */
  keys: number;
  /** How many key versions were verified and unwrapped. */
  versions: number;
  /** How many recipients open the store. */
  recipients: number;
  /** How many keys and purposes are set aside. */
  quarantined: number;
  auditRecords: number;
  /** Counts administrative acts. */
  generation: number;
  /** Whether destroyed keys may still be in the write-ahead log: `runDue` empties it. */
  purgePending: boolean;
  /** Key memory in locked pages, in bytes. */
  lockedBytes: number;
  /** Key memory that could not be locked, in bytes. */
  unlockedBytes: number;
}

/**
 * A field of a context: text, bytes, or a whole number (as decimal text, so that 42 and "42" are the same). Booleans,
 * fractions, numbers beyond `Number.MAX_SAFE_INTEGER` and null are refused.
 */
export type ContextValue = string | Uint8Array | number | bigint;

/**
 * Where a value belongs, such as table, column and row: 1 to 64 fields. What was sealed under one context opens under
 * no other. An object's own enumerable properties count.
 */
export type Context = Readonly<Record<string, ContextValue>>;

/** What a ciphertext is bound to: it is not stored, and decrypting needs the same. */
export type Binding =
  /** Raw bytes, at most 1 MiB. For named fields in text, use `context`. */
  | { readonly aad?: Uint8Array | undefined; readonly context?: undefined }
  | { readonly context?: Context | undefined; readonly aad?: undefined };

/** Which blind index of a value. */
export interface IndexOptions {
  /**
   * What of a value is indexed. `exact`: all of it; `prefix`, `suffix`: its first or last `length` characters;
   * `soundex`: how a name sounds in English. Default: `"exact"`.
   */
  kind?: 'exact' | 'prefix' | 'suffix' | 'soundex' | null | undefined;
  /** How many characters a prefix or suffix has. */
  length?: number | undefined;
  /** What is done to a value first, in this order. Default: nothing. */
  normalize?: readonly ('casefold' | 'nfkc' | 'digits' | 'trim' | 'collapse_spaces')[] | undefined;
  /** How many bits are kept, 1 to 256. Fewer bits leak less and find more by chance. Default: 128. */
  bits?: number | undefined;
}

/** What the values of a batch are bound to: all to the same, or each to its own, in order. */
export type BatchBinding =
  | (Binding & { readonly aads?: undefined; readonly contexts?: undefined })
  | { readonly aads: readonly (Uint8Array | null | undefined)[]; readonly contexts?: undefined; readonly aad?: undefined; readonly context?: undefined }
  | { readonly contexts: readonly Context[]; readonly aads?: undefined; readonly aad?: undefined; readonly context?: undefined };

/** What becomes of a value that does not decrypt: the call throws its error, or the error stands in its place. */
export type OnRaise = { readonly onError?: 'raise' | undefined };
export type OnReturn = { readonly onError: 'return' };

/** Values one after the other in `bytes`; value n begins at `offsets[n]` and ends at `offsets[n + 1]`. No nulls. */
export interface Packed<B extends Uint8Array = Uint8Array> {
  bytes: B;
  offsets: Uint32Array;
}

/** How a stream is made. */
export type StreamOptions = Binding & { readonly highWaterMark?: number | undefined; readonly signal?: AbortSignal | undefined };

/** How a file is encrypted or decrypted. */
export type FileOptions = Binding & {
  /** Replace a file that stands under the output's name. Default: false. */
  readonly force?: boolean | undefined;
  /** Told how many bytes of the input are done: after each MiB, or now and then by an `…Async` call. Throwing stops it. */
  readonly onProgress?: ((bytesDone: number) => void) | undefined;
};

/**
 * A Node Transform that encrypts what is written to it, a segment of 1 MiB at a time on the thread that writes (some
 * 100 µs each). Destroyed or failed, what it gave is no whole stream and does not decrypt.
 */
export class EncryptStream extends Transform {
  private constructor();
}

/**
 * A Node Transform that decrypts. It gives verified segments only, but what it gave is **provisional** until it ends:
 * a stream that was cut fails in its last step, with `KEYFOLD_DECRYPTION_FAILED`.
 */
export class DecryptStream extends Transform {
  private constructor();
  /** The version that sealed the stream; null until its first segment is open. */
  get version(): number | null;
  /** Whether that was another version than the current one. */
  get needsReencrypt(): boolean | null;
}

/**
 * Opens a store. Blocks until done.
 *
 * `KEYFOLD_NOT_FOUND` where there is no store (unless `create`), `KEYFOLD_WRONG_MASTER_KEY` where the key is another's,
 * `KEYFOLD_INTEGRITY_ERROR` where someone without it changed the file.
 *
 * @example
 * const store = open('app.keyfold'); // KEYFOLD_MASTER_KEY
 */
export function open(path: string, options?: OpenOptions): Store;

/** As {@link open}, with a Promise. */
export function openAsync(path: string, options?: OpenAsyncOptions): Promise<Store>;

/**
 * An open key store. Close it: what is forgotten is closed when collected, with a warning.
 *
 * Each worker thread opens the file for itself; a Store cannot be sent to another thread.
 */
export class Store {
  private constructor();

  /** A handle to a key, for encrypting with it. `KEYFOLD_NOT_FOUND` where there is none. */
  key(keyId: string): Key;
  /** As {@link key}, with a Promise. */
  keyAsync(keyId: string): Promise<Key>;

  /**
   * Makes a key with its first version.
   *
   * `KEYFOLD_ALREADY_EXISTS` where there is one, unless `existOk` and kind, algorithm and purpose are the same.
   */
  createKey(keyId: string, options?: CreateKeyOptions): KeyInfo;
  /** As {@link createKey}, with a Promise. */
  createKeyAsync(keyId: string, options?: CreateKeyOptions): Promise<KeyInfo>;

  /** Makes many keys in one transaction: all, or none where one is refused; `index` of the error says which. */
  createKeys(keys: readonly ({ keyId: string } & CreateKeyOptions)[]): KeyInfo[];
  /** As {@link createKeys}, with a Promise. */
  createKeysAsync(keys: readonly ({ keyId: string } & CreateKeyOptions)[]): Promise<KeyInfo[]>;

  /** A handle to the key that encrypts for a purpose: of its keys of kind `aead` that are not archived, the newest. */
  keyFor(purpose: Purpose): Key;
  /** As {@link keyFor}, with a Promise. */
  keyForAsync(purpose: Purpose): Promise<Key>;

  /** Makes the next version and has it encrypt from now on, unless it is staged; older ciphertexts open as before. */
  rotateKey(keyId: string, options?: RotateKeyOptions): VersionInfo;
  /** As {@link rotateKey}, with a Promise. */
  rotateKeyAsync(keyId: string, options?: RotateKeyOptions): Promise<VersionInfo>;

  /** One key's metadata. */
  keyInfo(keyId: string): KeyInfo;
  /** As {@link keyInfo}, with a Promise. */
  keyInfoAsync(keyId: string): Promise<KeyInfo>;

  /** The keys that match, in byte order of their ids. */
  listKeys(filter?: KeyFilter): KeyInfo[];
  /** As {@link listKeys}, with a Promise. */
  listKeysAsync(filter?: KeyFilter): Promise<KeyInfo[]>;

  /** As {@link listKeys}, a page at a time: for stores with many keys. */
  iterKeys(filter?: KeyFilter): Generator<KeyInfo, void, void>;
  /** As {@link iterKeys}, leaving the event loop free while a page is read. */
  iterKeysAsync(filter?: KeyFilter): AsyncGenerator<KeyInfo, void, void>;

  /** Has this version encrypt from now on: a staged one, or an earlier one to go back to it. */
  promoteVersion(keyId: string, version: number): VersionInfo;
  /** As {@link promoteVersion}, with a Promise. */
  promoteVersionAsync(keyId: string, version: number): Promise<VersionInfo>;

  /** Sets a version's state. Revoking is final, and makes the successor of a current version in the same transaction. */
  setVersionState(
    keyId: string,
    version: number,
    state: 'enabled' | 'decrypt_only' | 'disabled' | 'revoked',
    options?: { reason?: string | null | undefined },
  ): VersionInfo;
  /** As {@link setVersionState}, with a Promise. */
  setVersionStateAsync(
    keyId: string,
    version: number,
    state: 'enabled' | 'decrypt_only' | 'disabled' | 'revoked',
    options?: { reason?: string | null | undefined },
  ): Promise<VersionInfo>;

  /** Ends a key's use for good: it encrypts and rotates no more, and what it sealed still opens. */
  archiveKey(keyId: string): KeyInfo;
  /** As {@link archiveKey}, with a Promise. */
  archiveKeyAsync(keyId: string): Promise<KeyInfo>;

  /** Has a version destroyed by the first `runDue` after the delay, 30 days by default; until then it opens nothing. */
  scheduleDestruction(keyId: string, version: number, options?: { delay?: Duration | null | undefined }): VersionInfo;
  /** As {@link scheduleDestruction}, with a Promise. */
  scheduleDestructionAsync(keyId: string, version: number, options?: { delay?: Duration | null | undefined }): Promise<VersionInfo>;

  /** Takes that back: the version has the state that it had before. */
  cancelDestruction(keyId: string, version: number): VersionInfo;
  /** As {@link cancelDestruction}, with a Promise. */
  cancelDestructionAsync(keyId: string, version: number): Promise<VersionInfo>;

  /** Destroys what is due and empties the log. Call it now and then, in as many processes as you like. */
  runDue(): RunDueReport;
  /** As {@link runDue}, with a Promise. */
  runDueAsync(): Promise<RunDueReport>;

  /** Tries again to empty the log of what was destroyed or superseded; whether that is still pending. */
  purge(): boolean;
  /** As {@link purge}, with a Promise. */
  purgeAsync(): Promise<boolean>;

  /** Whether the log may still hold what was destroyed or superseded, because somebody read the file. */
  purgePending(): boolean;
  /** As {@link purgePending}, with a Promise. */
  purgePendingAsync(): Promise<boolean>;

  /** How many messages each version of a key has sealed, newest first. */
  keyUsage(keyId: string): VersionUsage[];
  /** As {@link keyUsage}, with a Promise. */
  keyUsageAsync(keyId: string): Promise<VersionUsage[]>;

  /** Makes a purpose of your own, for keys that are created from now on. */
  registerPurpose(purpose: string, options?: PurposeOptions): PurposeInfo;
  /** As {@link registerPurpose}, with a Promise. */
  registerPurposeAsync(purpose: string, options?: PurposeOptions): Promise<PurposeInfo>;

  /** The built-in purposes and those that were registered. */
  purposes(): PurposeInfo[];
  /** As {@link purposes}, with a Promise. */
  purposesAsync(): Promise<PurposeInfo[]>;

  /** The live versions of an index salt, newest first: as many as `blindIndexes` gives. */
  indexSalts(scope: IndexScope): IndexSaltInfo[];
  /** As {@link indexSalts}, with a Promise. */
  indexSaltsAsync(scope: IndexScope): Promise<IndexSaltInfo[]>;

  /** Makes the next version of an index salt; `blindIndexes` still gives the earlier ones' indexes. */
  rotateIndexSalt(scope: IndexScope): IndexSaltInfo;
  /** As {@link rotateIndexSalt}, with a Promise. */
  rotateIndexSaltAsync(scope: IndexScope): Promise<IndexSaltInfo>;

  /** Deletes an earlier version of an index salt. No index under it is ever given again. */
  retireIndexSalt(scope: IndexScope, version: number): void;
  /** As {@link retireIndexSalt}, with a Promise. */
  retireIndexSaltAsync(scope: IndexScope, version: number): Promise<void>;

  /** The 32 bytes of an index salt, for a service that computes the same indexes by itself. Recorded; wipe them. */
  getIndexSalt(scope: IndexScope, version?: number): Buffer;
  /** As {@link getIndexSalt}, with a Promise. */
  getIndexSaltAsync(scope: IndexScope, version?: number): Promise<Buffer>;

  /** `length` bytes for a purpose, from a key of kind `derive`: the same in every process and language. Wipe them. */
  deriveKey(keyId: string, purpose: string, length: number, options?: { version?: number | undefined }): Buffer;
  /** As {@link deriveKey}, with a Promise. */
  deriveKeyAsync(keyId: string, purpose: string, length: number, options?: { version?: number | undefined }): Promise<Buffer>;

  /** Every way to open the store, in order of id. */
  recipients(): RecipientInfo[];
  /** As {@link recipients}, with a Promise. */
  recipientsAsync(): Promise<RecipientInfo[]>;

  /** Adds a way to open the store. `KEYFOLD_ALREADY_EXISTS` where its secret opens it already. */
  addRecipient(masterKey: MasterKey, options?: AddRecipientOptions): RecipientInfo;
  /** As {@link addRecipient}, with a Promise. */
  addRecipientAsync(masterKey: MasterKeyLater, options?: AddRecipientOptions): Promise<RecipientInfo>;

  /** Takes a way to open the store away, and makes a new key-encryption key that it does not get. */
  removeRecipient(recipientId: string): MasterKeyRotation;
  /** As {@link removeRecipient}, with a Promise. */
  removeRecipientAsync(recipientId: string): Promise<MasterKeyRotation>;

  /** Tries whether a master key opens the store, and changes nothing. `KEYFOLD_WRONG_MASTER_KEY` where not. */
  testRecipient(masterKey: MasterKey): RecipientInfo;
  /** As {@link testRecipient}, with a Promise. */
  testRecipientAsync(masterKey: MasterKeyLater): Promise<RecipientInfo>;

  /**
   * A recipient's public key, of the one that this store was opened by where none is named: another store seals a keyset by
   * it that only this recipient's secret opens.
   */
  recipientPublicKey(recipientId?: string): string;
  /** As {@link recipientPublicKey}, with a Promise. */
  recipientPublicKeyAsync(recipientId?: string): Promise<string>;

  /** A recovery drill: opens the file anew with this master key, verifies everything, and records that it was done. */
  drill(masterKey: MasterKey): DrillReport;
  /** As {@link drill}, with a Promise. */
  drillAsync(masterKey: MasterKeyLater): Promise<DrillReport>;

  /** Makes a new key-encryption key for every recipient. With a master key, that takes the place of the one in use here. */
  rotateMasterKey(newMasterKey?: MasterKey): MasterKeyRotation;
  /** As {@link rotateMasterKey}, with a Promise. */
  rotateMasterKeyAsync(newMasterKeyLater?: MasterKeyLater): Promise<MasterKeyRotation>;

  /** Takes a key in from elsewhere, as a new key or as the next version of one. Wipe what you passed. */
  importKey(keyId: string, material: Uint8Array | string, options?: ImportKeyOptions): KeyInfo;
  /** As {@link importKey}, with a Promise. */
  importKeyAsync(keyId: string, material: Uint8Array | string, options?: ImportKeyOptions): Promise<KeyInfo>;

  /** The raw bytes of a version of an exportable key; of the current one where none is named. Recorded; wipe them. */
  getDataKey(keyId: string, options?: { version?: number | undefined }): Buffer;
  /** As {@link getDataKey}, with a Promise. */
  getDataKeyAsync(keyId: string, options?: { version?: number | undefined }): Promise<Buffer>;

  /** The raw bytes of an exportable key in an encoding; `keyBytes` (16, 24, 32 or 64) is its length. */
  getEncryptionKey(keyId: string, keyBytes: number, encoding?: 'raw'): Buffer;
  getEncryptionKey(keyId: string, keyBytes: number, encoding: 'hex' | 'base64'): string;
  /** As {@link getEncryptionKey}, with a Promise. */
  getEncryptionKeyAsync(keyId: string, keyBytes: number, encoding?: 'raw'): Promise<Buffer>;
  getEncryptionKeyAsync(keyId: string, keyBytes: number, encoding: 'hex' | 'base64'): Promise<string>;

  /** An exportable key with all its versions as a keyset of Google Tink. Recorded. */
  exportKeyset(keyId: string, options: KeysetTarget & { format?: 'json' | 'binary' | undefined }): Keyset;
  /** As {@link exportKeyset}, with a Promise. */
  exportKeysetAsync(keyId: string, options: KeysetTarget & { format?: 'json' | 'binary' | undefined }): Promise<Keyset>;

  /** Makes a key from a keyset of Google Tink; what was sealed under it opens. */
  importKeyset(keyId: string, keyset: string | Uint8Array, options: KeysetSource & ImportKeysetOptions): KeyInfo;
  /** As {@link importKeyset}, with a Promise. */
  importKeysetAsync(keyId: string, keyset: string | Uint8Array, options: KeysetSource & ImportKeysetOptions): Promise<KeyInfo>;

  /** Copies the store as it is at one moment into a new file, while it is in use, and checks the copy. */
  backup(path: string, options?: BackupOptions): BackupInfo;
  /** As {@link backup}, with a Promise. */
  backupAsync(path: string, options?: BackupOptions): Promise<BackupInfo>;

  /** Sets a key or purpose aside that does not verify: its rows stay, and every use of it fails. */
  quarantine(kind: 'key' | 'purpose', id: string, reason: string): void;
  /** As {@link quarantine}, with a Promise. */
  quarantineAsync(kind: 'key' | 'purpose', id: string, reason: string): Promise<void>;

  /** What was set aside. */
  quarantined(): Quarantined[];
  /** As {@link quarantined}, with a Promise. */
  quarantinedAsync(): Promise<Quarantined[]>;

  /** What this store may do, as it was opened. */
  mode(): Mode;
  /** Whether what it shows was verified: not in mode `metadata`. */
  isVerified(): boolean;

  /** All versions of a key, newest first. */
  listKeyVersions(keyId: string): VersionInfo[];
  /** As {@link listKeyVersions}, with a Promise. */
  listKeyVersionsAsync(keyId: string): Promise<VersionInfo[]>;

  /** Encrypts under the key's current version; as {@link Key.encrypt}. */
  encrypt(keyId: string, plaintext: Uint8Array, binding?: Binding): Buffer;
  /** Decrypts what any version of the key encrypted; as {@link Key.decrypt}. */
  decrypt(keyId: string, ciphertext: Uint8Array | string, binding?: Binding): Buffer;

  /**
   * Which key and version made this ciphertext, without decrypting it: every match, none where the tag is unknown.
   * `KEYFOLD_INVALID_ARGUMENT` where it is no ciphertext at all.
   */
  inspect(ciphertext: Uint8Array | string): CiphertextInfo[];
  /** As {@link inspect}, with a Promise. */
  inspectAsync(ciphertext: Uint8Array | string): Promise<CiphertextInfo[]>;

  /** Verifies everything in the store and reports what is wrong. */
  check(): CheckReport;
  /** As {@link check}, with a Promise. */
  checkAsync(): Promise<CheckReport>;

  /**
   * Where the store stands now: keep it elsewhere and open with it, and no older or forked copy of the file passes for
   * this one.
   */
  anchor(): string;
  /** As {@link anchor}, with a Promise. */
  anchorAsync(): Promise<string>;

  /** The store's identity as a short text: open with it, and no other store passes for this one. */
  fingerprint(): string;

  /** What deserves attention although the store opened, such as a master key file that others may read. */
  warnings(): string[];

  /** Waits for calls in flight, wipes all keys and closes the file. Later calls are `KEYFOLD_CLOSED`. */
  close(): void;
  /** As {@link close}, with a Promise. */
  closeAsync(): Promise<void>;

  /** {@link close}, for `using store = open(…)`. */
  [Symbol.dispose](): void;
  /** {@link closeAsync}, for `await using store = await openAsync(…)`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A key of an open store. What another process rotates is used here within `refreshInterval`; what a newer version
 * sealed opens at once.
 */
export class Key {
  private constructor();

  /** The key's name in its store. */
  readonly id: string;

  /** The key's metadata, as this process uses it now. */
  info(): KeyInfo;

  /**
   * Encrypts under the current version, into a Buffer that may share memory with other ciphertexts and nothing else.
   * A plaintext is at most 64 MiB. Text goes through {@link encryptText}.
   */
  encrypt(plaintext: Uint8Array, binding?: Binding): Buffer;

  /**
   * Decrypts what any version of this key encrypted, given in bytes or as text, into a Buffer with memory of its own.
   *
   * `KEYFOLD_DECRYPTION_FAILED`, always with the same message, where ciphertext, key, aad or context is wrong.
   */
  decrypt(ciphertext: Uint8Array | string, binding?: Binding): Buffer;

  /** Encrypts a text for a text column: `kf1.` and base64url. */
  encryptText(plaintext: string, binding?: Binding): string;

  /** Decrypts the text form to text. */
  decryptText(ciphertext: string, binding?: Binding): string;

  /**
   * Encrypts into your memory and gives the number of bytes written, which {@link ciphertextLength} tells beforehand.
   * `KEYFOLD_INVALID_ARGUMENT` where the target is too small. Target and plaintext may overlap.
   */
  encryptInto(target: Uint8Array, plaintext: Uint8Array, binding?: Binding): number;

  /**
   * Decrypts into your memory and gives the number of bytes written; never more than the ciphertext has. Where
   * decrypting fails, the bytes that the plaintext would have taken are wiped. Target and ciphertext may overlap.
   */
  decryptInto(target: Uint8Array, ciphertext: Uint8Array | string, binding?: Binding): number;

  /** The length of the ciphertext of so long a plaintext, under the current version. */
  ciphertextLength(plaintextLength: number): number;

  /** Moves a ciphertext to the current version: bytes to bytes, text to text. One that is there already stays. */
  reencrypt(ciphertext: string, binding?: Binding): string;
  reencrypt(ciphertext: Uint8Array, binding?: Binding): Buffer;
  reencrypt(ciphertext: Uint8Array | string, binding?: Binding): Buffer | string;

  /** Whether the ciphertext was made by another version than the current one. Nothing of it is verified. */
  needsReencrypt(ciphertext: Uint8Array | string): boolean;

  /**
   * The index to store beside an encrypted value and to search for: a keyed hash, stable while keys rotate. `field`
   * names what is indexed, as in `"users.email"`. Null stays null; an empty value has an index like any other.
   */
  blindIndex(value: string | Uint8Array, field: string, options?: IndexOptions): Buffer;
  blindIndex(value: null | undefined, field: string, options?: IndexOptions): null;
  blindIndex(value: string | Uint8Array | null | undefined, field: string, options?: IndexOptions): Buffer | null;

  /** The indexes under all live versions of the root, newest first: search for any of them. Null stays null. */
  blindIndexes(value: string | Uint8Array, field: string, options?: IndexOptions): Buffer[];
  blindIndexes(value: null | undefined, field: string, options?: IndexOptions): null;
  blindIndexes(value: string | Uint8Array | null | undefined, field: string, options?: IndexOptions): Buffer[] | null;

  /**
   * Encrypts many texts, the fastest way for text columns; what is null stays null. The error of a value carries its
   * place. A batch has 100,000 values and 256 MiB at most.
   */
  encryptManyText(values: readonly (string | null | undefined)[], binding?: BatchBinding): (string | null)[];

  /** Decrypts many text forms to texts. */
  decryptManyText(values: readonly (string | null | undefined)[], options?: BatchBinding & OnRaise): (string | null)[];
  decryptManyText(
    values: readonly (string | null | undefined)[],
    options: BatchBinding & OnReturn,
  ): (string | null | KeyfoldError)[];

  /** Encrypts many values; the ciphertexts share memory with each other. Where speed counts: {@link encryptManyPacked}. */
  encryptMany(values: readonly (Uint8Array | null | undefined)[], binding?: BatchBinding): (Buffer | null)[];

  /** Decrypts many ciphertexts, in bytes or as text, each into memory of its own. */
  decryptMany(
    values: readonly (Uint8Array | string | null | undefined)[],
    options?: BatchBinding & OnRaise,
  ): (Buffer | null)[];
  decryptMany(
    values: readonly (Uint8Array | string | null | undefined)[],
    options: BatchBinding & OnReturn,
  ): (Buffer | null | KeyfoldError)[];

  /** Encrypts many values that lie one after the other, into ciphertexts that do: the fastest way for bytes. */
  encryptManyPacked(values: Packed, binding?: BatchBinding): Packed<Buffer>;

  /** Decrypts what {@link encryptManyPacked} gave. */
  decryptManyPacked(values: Packed, binding?: BatchBinding): Packed<Buffer>;

  /** The ciphertexts that this plaintext may have in rows, under all versions, newest first. For kind `deterministic`. */
  searchCiphertexts(plaintext: Uint8Array | string, binding?: Binding): Buffer[];

  /** The code of the data under the current version. For kind `mac`; `raw` leaves out which version made it. */
  mac(data: Uint8Array | string, options?: { raw?: boolean | undefined }): Buffer;

  /** Throws `KEYFOLD_VERIFICATION_FAILED` where `mac` did not give this code for this data. */
  verifyMac(data: Uint8Array | string, mac: Uint8Array | string, options?: { raw?: boolean | undefined }): void;

  /** A stream that encrypts, for `pipeline`. For kind `stream`. */
  encryptStream(options?: StreamOptions): EncryptStream;

  /** A stream that decrypts what {@link encryptStream} or {@link encryptFile} gave. */
  decryptStream(options?: StreamOptions): DecryptStream;

  /**
   * Encrypts a file into another one and gives how many bytes were read. The output appears under its name once it is
   * complete; `KEYFOLD_ALREADY_EXISTS` where there is one, unless `force`. For kind `stream`.
   */
  encryptFile(from: string, to: string, options?: FileOptions): number;
  /** As {@link encryptFile}, on another thread. */
  encryptFileAsync(from: string, to: string, options?: FileOptions): Promise<number>;

  /** Decrypts a file into another one, which appears once all of it was verified; gives how many bytes were written. */
  decryptFile(from: string, to: string, options?: FileOptions): number;
  /** As {@link decryptFile}, on another thread. */
  decryptFileAsync(from: string, to: string, options?: FileOptions): Promise<number>;

  /** {@link blindIndex} of each value; null stays null. The indexes share memory with each other. */
  blindIndexMany(
    values: readonly (string | Uint8Array | null | undefined)[],
    field: string,
    options?: IndexOptions,
  ): (Buffer | null)[];

  /** One index of several fields and their values, in any order: found only by who knows all of them. */
  blindIndexCompound(values: readonly (readonly [field: string, value: string | Uint8Array])[], options?: IndexOptions): Buffer;

  /** The compound indexes under all live versions of the root, newest first. */
  blindIndexesCompound(
    values: readonly (readonly [field: string, value: string | Uint8Array])[],
    options?: IndexOptions,
  ): Buffer[];
}

/** What went wrong, as far as a caller must know to act on it. */
export type ErrorCode =
  | 'KEYFOLD_INVALID_ARGUMENT'
  | 'KEYFOLD_NOT_FOUND'
  | 'KEYFOLD_ALREADY_EXISTS'
  | 'KEYFOLD_IN_USE'
  | 'KEYFOLD_KEY_UNAVAILABLE'
  | 'KEYFOLD_DECRYPTION_FAILED'
  | 'KEYFOLD_VERIFICATION_FAILED'
  | 'KEYFOLD_WRONG_MASTER_KEY'
  | 'KEYFOLD_INTEGRITY_ERROR'
  | 'KEYFOLD_PERMISSION_DENIED'
  | 'KEYFOLD_RATE_LIMITED'
  | 'KEYFOLD_LIMIT_EXCEEDED'
  | 'KEYFOLD_UNSUPPORTED'
  | 'KEYFOLD_PROVIDER_UNAVAILABLE'
  | 'KEYFOLD_PROVIDER_DENIED'
  | 'KEYFOLD_BUSY'
  | 'KEYFOLD_STORAGE_FULL'
  | 'KEYFOLD_STORAGE'
  | 'KEYFOLD_CLOSED'
  | 'KEYFOLD_INTERNAL';

/** Every code, in the order of the C interface's numbers. */
export const errorCodes: readonly ErrorCode[];

/** What every call throws or rejects with. Never holds key bytes, plaintext, ciphertext or credentials. */
export class KeyfoldError extends Error {
  constructor(
    code: ErrorCode,
    message: string,
    details?: Partial<Pick<KeyfoldError, 'retryable' | 'retryAfter' | 'keyId' | 'version' | 'index' | 'cause'>>,
  );
  /** What to act on; the message may change, the code stays. */
  readonly code: ErrorCode;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** How many milliseconds to wait before trying again, where that is known. */
  readonly retryAfter: number | null;
  /** The key concerned. */
  readonly keyId: string | null;
  /** The key version concerned. */
  readonly version: number | null;
  /** The place in a batch. */
  readonly index: number | null;
  /** What a callback threw, or the system said. */
  readonly cause?: unknown;
}

/** A new master key: 32 bytes from the kernel as base64 text. */
export function generateMasterKey(): string;

/** Whether the value has the shape of a ciphertext, as bytes or as text. A hint, not a proof. */
export function isCiphertext(value: unknown): value is Uint8Array | string;

/** The text form of a ciphertext: `kf1.` and base64url. */
export function toText(ciphertext: Uint8Array): string;

/** The bytes of a text form. */
export function fromText(text: string): Buffer;

/** The purposes that every store has. */
export const PURPOSES: readonly string[];

/** Works out what a blind index with these options tells whoever reads its column. Opens no store and keeps nothing. */
export function indexReport(
  values: readonly (string | Uint8Array | null | undefined)[],
  options?: IndexOptions,
): IndexReport;

/** As {@link indexReport}, with a Promise. */
export function indexReportAsync(
  values: readonly (string | Uint8Array | null | undefined)[],
  options?: IndexOptions,
): Promise<IndexReport>;

/**
 * Restores a backup at `path`: makes the file where there is none, else writes over the store that is there, also while
 * others have it open. Before anything is touched, all of the backup must open and verify.
 */
export function restore(source: string, path: string, options?: PlainRestoreOptions & { masterKey?: MasterKey }): RestoreInfo;

/** As {@link restore}, with a Promise. */
export function restoreAsync(
  source: string,
  path: string,
  options?: PlainRestoreOptions & { masterKey?: MasterKeyLater },
): Promise<RestoreInfo>;

/** The version of keyfold. */
export const version: string;

// The peers in Node, each as its own documentation sets it up, and as fast as it lets itself be used.
import { createCipheriv, createDecipheriv, createSecretKey, randomFillSync } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.KEYFOLD_BENCH_NODE}/`);
const KEY = Buffer.from(Array.from({ length: 32 }, (_, n) => n));

/** Nonce, ciphertext and tag are kept apart: nothing is put together. */
export function nodeCrypto() {
  const key = createSecretKey(KEY);
  return {
    encrypt(message) {
      const nonce = randomFillSync(Buffer.allocUnsafe(12));
      const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
      const ciphertext = cipher.update(message);
      cipher.final();
      return { nonce, ciphertext, tag: cipher.getAuthTag() };
    },
    decrypt({ nonce, ciphertext, tag }) {
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
      decipher.setAuthTag(tag);
      const message = decipher.update(ciphertext);
      decipher.final();
      return message;
    },
  };
}

/** Both of libsodium's ways with nonces that may be drawn at random; it writes into buffers of the caller. */
function sodium() {
  const sodium = require("sodium-native");
  return {
    secretbox: {
      overhead: sodium.crypto_secretbox_MACBYTES,
      encrypt(target, message, nonce) {
        sodium.randombytes_buf(nonce);
        sodium.crypto_secretbox_easy(target, message, nonce, KEY);
      },
      decrypt: (target, sealed, nonce) => sodium.crypto_secretbox_open_easy(target, sealed, nonce, KEY),
    },
    "XChaCha20-Poly1305": {
      overhead: sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES,
      encrypt(target, message, nonce) {
        sodium.randombytes_buf(nonce);
        sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(target, message, null, null, nonce, KEY);
      },
      decrypt: (target, sealed, nonce) =>
        sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(target, null, sealed, null, nonce, KEY),
    },
  };
}

function cloak() {
  const cloak = require("@47ng/cloak");
  const key = cloak.parseKeySync(cloak.generateKey());
  return {
    encryptText: (text) => cloak.encryptStringSync(text, key),
    decryptText: (sealed) => cloak.decryptStringSync(sealed, key),
  };
}

/** The session is held open: keys are cached for as long as it lasts. */
function asherah() {
  const { SessionFactory } = require("asherah-linux-x64-gnu");
  const staticMasterKeyHex = "22".repeat(32);
  const config = { serviceName: "bench", productId: "bench", metastore: "memory", kms: "static", staticMasterKeyHex };
  const session = new SessionFactory(config).getSession("partition");
  return {
    encrypt: (message) => session.encrypt(message),
    decrypt: (sealed) => session.decrypt(sealed),
    encryptText: (text) => session.encryptString(text),
    decryptText: (sealed) => session.decryptString(sealed),
  };
}

/** With data keys cached, a wrapping key in this process, and the fastest suite it may still use: no signature. */
function aws() {
  const sdk = require("@aws-crypto/client-node");
  const { encrypt, decrypt } = sdk.buildClient(sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
  const keyring = new sdk.RawAesKeyringNode({
    keyName: "key",
    keyNamespace: "bench",
    unencryptedMasterKey: new Uint8Array(KEY),
    wrappingSuite: sdk.RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  });
  const manager = new sdk.NodeCachingMaterialsManager({
    backingMaterials: keyring,
    cache: sdk.getLocalCryptographicMaterialsCache(100),
    maxAge: 86_400_000,
    maxMessagesEncrypted: 2 ** 32,
  });
  const suiteId = sdk.AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;
  return {
    // The cache serves only messages whose length is told beforehand.
    encrypt: async (message) => (await encrypt(manager, message, { suiteId, plaintextLength: message.length })).result,
    decrypt: async (sealed) => (await decrypt(manager, sealed)).plaintext,
  };
}

/** Those that are installed here and work; of the others the report says why not. */
export async function allPeers(report) {
  const found = {};
  const try_ = async (name, make, check) => {
    try {
      const peer = make();
      await check(peer);
      found[name] = peer;
    } catch (error) {
      report.missing.push({ name, why: String(error).slice(0, 200) });
    }
  };
  const message = Buffer.from("ada");
  await try_("sodium", sodium, (peer) => peer.secretbox.encrypt(Buffer.alloc(19), message, Buffer.alloc(24)));
  await try_("cloak", cloak, (peer) => peer.decryptText(peer.encryptText("ada")));
  await try_("asherah", asherah, (peer) => peer.decrypt(peer.encrypt(message)));
  await try_("aws", aws, async (peer) => peer.decrypt(await peer.encrypt(message)));
  return found;
}

/** Versions of what is installed, by name. */
export function versions() {
  const names = ["sodium-native", "@47ng/cloak", "asherah-linux-x64-gnu", "@aws-crypto/client-node"];
  return Object.fromEntries(names.map((name) => [name, versionOf(name)]));
}

function versionOf(name) {
  try {
    return require(`${process.env.KEYFOLD_BENCH_NODE}/node_modules/${name}/package.json`).version;
  } catch {
    return "not installed";
  }
}

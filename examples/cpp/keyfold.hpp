// A small owning layer over keyfold.h for C++17: what is made is freed, and what fails throws. Copy it and make it yours;
// it covers what demo.cpp needs, and the rest goes the same way.
#pragma once

#include <keyfold.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace keyfold {

template <typename T, void (*release)(T *)>
struct Free {
    void operator()(T *object) const noexcept { release(object); }
};
template <typename T, void (*release)(T *)>
using Owned = std::unique_ptr<T, Free<T, release>>;

/// Why a call failed; `code` is what to decide by.
class Error : public std::runtime_error {
public:
    explicit Error(keyfold_error *error)
        : runtime_error(std::string(keyfold_error_name(error)) + ": " + keyfold_error_message(error)),
          code(keyfold_error_code(error)) {}
    const keyfold_status code;
};

/// Calls a function of keyfold.h with a place for its error.
template <typename Function, typename... Arguments>
void call(Function function, Arguments... arguments) {
    keyfold_error *error = nullptr;
    if (function(arguments..., &error) == KEYFOLD_OK) return;
    const Owned<keyfold_error, keyfold_error_free> owned(error);
    throw Error(error);
}

/// Bytes that keyfold made. They are wiped when this goes.
class Buffer {
public:
    Buffer() = default;
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    Buffer(Buffer &&other) noexcept : bytes(other.bytes) { other.bytes = {}; }
    ~Buffer() { keyfold_buf_free(&bytes); }

    std::string_view text() const { return {reinterpret_cast<const char *>(bytes.data), bytes.len}; }
    keyfold_buf *place() { return &bytes; }

private:
    keyfold_buf bytes{};
};

/// Where a value belongs. What was sealed under one context opens under no other.
class Context {
public:
    Context &with(const std::string &name, const std::string &value) {
        call(keyfold_context_add_text, fields.get(), name.c_str(), value.c_str());
        return *this;
    }
    Context &with(const std::string &name, std::int64_t value) {
        call(keyfold_context_add_integer, fields.get(), name.c_str(), value);
        return *this;
    }
    const keyfold_context *get() const { return fields.get(); }

private:
    Owned<keyfold_context, keyfold_context_free> fields{keyfold_context_new()};
};

/// Many values that keyfold made, one after the other.
class Batch {
public:
    /// Empty for a null.
    std::string_view operator[](std::size_t index) const {
        return bytes.text().substr(offsets[index], offsets[index + 1] - offsets[index]);
    }
    std::size_t size() const { return offsets.size() - 1; }

private:
    friend class Key;
    explicit Batch(std::size_t count) : offsets(count + 1) {}
    Buffer bytes;
    std::vector<std::size_t> offsets;
};

/// Encrypts a stream part by part; write out what each step gives.
class StreamEncryptor {
public:
    Buffer update(std::string_view part) {
        Buffer ready;
        call(keyfold_stream_encryptor_update, stream.get(), part.data(), part.size(), ready.place());
        return ready;
    }
    Buffer finish() {
        Buffer ready;
        call(keyfold_stream_encryptor_finish, stream.get(), ready.place());
        return ready;
    }

private:
    friend class Key;
    explicit StreamEncryptor(keyfold_stream_encryptor *begun) : stream(begun) {}
    Owned<keyfold_stream_encryptor, keyfold_stream_encryptor_free> stream;
};

/// Decrypts a stream part by part. What it gives is provisional until `finish` returns.
class StreamDecryptor {
public:
    Buffer update(std::string_view part) {
        Buffer ready;
        call(keyfold_stream_decryptor_update, stream.get(), part.data(), part.size(), ready.place());
        return ready;
    }
    Buffer finish() {
        Buffer ready;
        call(keyfold_stream_decryptor_finish, stream.get(), ready.place());
        return ready;
    }

private:
    friend class Key;
    explicit StreamDecryptor(keyfold_stream_decryptor *begun) : stream(begun) {}
    Owned<keyfold_stream_decryptor, keyfold_stream_decryptor_free> stream;
};

/// A handle to a key, for all threads. It keeps its store open.
class Key {
public:
    Buffer encrypt_text(std::string_view text, const Context &context) const {
        Buffer sealed;
        call(keyfold_key_encrypt_text_with_context, key.get(), text.data(), text.size(), context.get(), sealed.place());
        return sealed;
    }
    Buffer decrypt_text(std::string_view sealed, const Context &context) const {
        Buffer text;
        call(keyfold_key_decrypt_text_with_context, key.get(), sealed.data(), sealed.size(), context.get(), text.place());
        return text;
    }
    /// A std::nullopt stays null.
    Batch encrypt_many_text(const std::vector<std::optional<std::string_view>> &values, const Context &context) const {
        std::vector<keyfold_data> lent;
        for (const auto &value : values)
            // An empty view may point nowhere, which would be a null.
            lent.push_back(!value           ? keyfold_data{nullptr, 0}
                           : value->empty() ? keyfold_data{"", 0}
                                            : keyfold_data{value->data(), value->size()});
        const keyfold_context *one = context.get();
        Batch batch(values.size());
        call(keyfold_key_encrypt_many_text_with_contexts, key.get(), lent.data(), lent.size(), &one, std::size_t{1},
             batch.bytes.place(), batch.offsets.data());
        return batch;
    }
    StreamEncryptor encrypt_stream(const Context &context) const {
        keyfold_stream_encryptor *begun = nullptr;
        call(keyfold_stream_encryptor_new_with_context, key.get(), context.get(), &begun);
        return StreamEncryptor(begun);
    }
    StreamDecryptor decrypt_stream(const Context &context) const {
        keyfold_stream_decryptor *begun = nullptr;
        call(keyfold_stream_decryptor_new_with_context, key.get(), context.get(), &begun);
        return StreamDecryptor(begun);
    }

private:
    friend class Store;
    explicit Key(keyfold_key *opened) : key(opened) {}
    Owned<keyfold_key, keyfold_key_free> key;
};

class Store {
public:
    /// `master_key` is its base64, `env:NAME`, `file:PATH` or `fd:N`; `options` are those of keyfold_store_open.
    Store(const std::string &path, const std::string &master_key, const std::string &options) {
        keyfold_master_key *source = nullptr;
        call(keyfold_master_key_new_text, master_key.c_str(), &source);
        const Owned<keyfold_master_key, keyfold_master_key_free> owned(source);
        keyfold_store *opened = nullptr;
        call(keyfold_store_open, path.c_str(), source, options.c_str(), &opened);
        store.reset(opened);
    }
    Key key(const std::string &id) const {
        keyfold_key *opened = nullptr;
        call(keyfold_store_key, store.get(), id.c_str(), &opened);
        return Key(opened);
    }
    /// `options` are those of keyfold_store_create_key.
    void create_key(const std::string &id, const std::string &options = "{}") const {
        call(keyfold_store_create_key, store.get(), id.c_str(), options.c_str(), nullptr);
    }
    void rotate_key(const std::string &id) const { call(keyfold_store_rotate_key, store.get(), id.c_str(), nullptr); }

private:
    Owned<keyfold_store, keyfold_store_free> store;
};

} // namespace keyfold

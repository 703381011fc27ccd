// A small owning layer over keyfold.h for C++17: what is made is freed, and what fails throws. Copy it and make it yours;
// it covers what demo.cpp needs, and the rest goes the same way.
#pragma once

#include <keyfold.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

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
    void create_key(const std::string &id) const {
        call(keyfold_store_create_key, store.get(), id.c_str(), nullptr, nullptr);
    }
    void rotate_key(const std::string &id) const { call(keyfold_store_rotate_key, store.get(), id.c_str(), nullptr); }

private:
    Owned<keyfold_store, keyfold_store_free> store;
};

} // namespace keyfold

// Makes a store, encrypts, rotates the key, and reads what the old version encrypted.
//
//   c++ -std=c++17 demo.cpp $(pkg-config --cflags --libs keyfold) -o demo && ./demo demo.keyfold
#include "keyfold.hpp"

#include <iostream>

int main(int argc, char **argv) try {
    // A real program makes the master key once and keeps it elsewhere.
    keyfold::Buffer master_key;
    keyfold::call(keyfold_generate_master_key, master_key.place());
    const keyfold::Store store(argc > 1 ? argv[1] : "demo.keyfold", std::string(master_key.text()), R"({"create": true})");
    store.create_key("pii");
    const keyfold::Key pii = store.key("pii");

    // Where the value belongs. It is not stored: whoever decrypts says it again.
    keyfold::Context where;
    where.with("table", "users").with("id", 42);
    const keyfold::Buffer sealed = pii.encrypt_text("ada@example.org", where);
    store.rotate_key("pii");
    std::cout << sealed.text() << '\n' << pii.decrypt_text(sealed.text(), where).text() << '\n';

    // A column in one call, and a stream in parts.
    const keyfold::Batch column = pii.encrypt_many_text({"ada", std::nullopt, "grace"}, where);
    std::cout << column.size() << " rows, the second " << (column[1].empty() ? "null" : "not null") << '\n';
    store.create_key("files", R"({"kind": "stream"})");
    const keyfold::Key files = store.key("files");
    keyfold::StreamEncryptor encryptor = files.encrypt_stream(where);
    keyfold::StreamDecryptor decryptor = files.decrypt_stream(where);
    decryptor.update(encryptor.update("a long report").text());
    decryptor.update(encryptor.finish().text());
    std::cout << decryptor.finish().text() << '\n';

    try {
        keyfold::Context elsewhere;
        pii.decrypt_text(sealed.text(), elsewhere.with("table", "users").with("id", 43));
        std::cerr << "a value moved to another row was opened\n";
        return 1;
    } catch (const keyfold::Error &error) {
        if (error.code != KEYFOLD_DECRYPTION_FAILED) throw;
        std::cout << "in another row: " << error.what() << '\n';
    }
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}

package main

// #cgo pkg-config: keyfold
// #include <keyfold.h>
// #include <stdlib.h>
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Error says why a call failed; Code is what to decide by.
type Error struct {
	Code    int
	Name    string
	Message string
}

func (e *Error) Error() string { return e.Name + ": " + e.Message }

// failure takes an error over, and frees it.
func failure(failed *C.keyfold_error) error {
	if failed == nil {
		return nil
	}
	defer C.keyfold_error_free(failed)
	return &Error{
		Code:    int(C.keyfold_error_code(failed)),
		Name:    C.GoString(C.keyfold_error_name(failed)),
		Message: C.GoString(C.keyfold_error_message(failed)),
	}
}

// Store is an open store, for all goroutines. Close it.
type Store struct{ pointer *C.keyfold_store }

// Key is a handle to a key, for all goroutines. It keeps its store open. Close it.
type Key struct{ pointer *C.keyfold_key }

// GenerateMasterKey makes a master key, in base64. Go cannot wipe it: a real program keeps it in a file of mode 0600 or
// a secret manager and passes "file:PATH".
func GenerateMasterKey() (string, error) {
	var made C.keyfold_buf
	var failed *C.keyfold_error
	C.keyfold_generate_master_key(&made, &failed)
	return taken(&made), failure(failed)
}

// Open opens a store; options are the JSON of keyfold_store_open.
func Open(path, masterKey, options string) (*Store, error) {
	cPath, cMasterKey, cOptions := C.CString(path), C.CString(masterKey), C.CString(options)
	defer freed(cPath, cMasterKey, cOptions)
	var source *C.keyfold_master_key
	var failed *C.keyfold_error
	if C.keyfold_master_key_new_text(cMasterKey, &source, &failed) != C.KEYFOLD_OK {
		return nil, failure(failed)
	}
	defer C.keyfold_master_key_free(source)
	store := new(Store)
	C.keyfold_store_open(cPath, source, cOptions, &store.pointer, &failed)
	return store, failure(failed)
}

func (s *Store) Close() {
	C.keyfold_store_free(s.pointer)
	s.pointer = nil
}

func (s *Store) CreateKey(id string) error {
	cID := C.CString(id)
	defer freed(cID)
	var failed *C.keyfold_error
	C.keyfold_store_create_key(s.pointer, cID, nil, nil, &failed)
	return failure(failed)
}

func (s *Store) RotateKey(id string) error {
	cID := C.CString(id)
	defer freed(cID)
	var failed *C.keyfold_error
	C.keyfold_store_rotate_key(s.pointer, cID, nil, &failed)
	return failure(failed)
}

func (s *Store) Key(id string) (*Key, error) {
	cID := C.CString(id)
	defer freed(cID)
	key := new(Key)
	var failed *C.keyfold_error
	C.keyfold_store_key(s.pointer, cID, &key.pointer, &failed)
	return key, failure(failed)
}

func (k *Key) Close() {
	C.keyfold_key_free(k.pointer)
	k.pointer = nil
}

// EncryptText seals a text for its place; only the same place opens it.
func (k *Key) EncryptText(text string, where map[string]string) (string, error) {
	context, err := contextOf(where)
	if err != nil {
		return "", err
	}
	defer C.keyfold_context_free(context)
	var sealed C.keyfold_buf
	var failed *C.keyfold_error
	C.keyfold_key_encrypt_text_with_context(k.pointer, start(text), C.size_t(len(text)), context, &sealed, &failed)
	runtime.KeepAlive(text)
	return taken(&sealed), failure(failed)
}

// DecryptText opens what EncryptText sealed under any version of the key.
func (k *Key) DecryptText(sealed string, where map[string]string) (string, error) {
	context, err := contextOf(where)
	if err != nil {
		return "", err
	}
	defer C.keyfold_context_free(context)
	var text C.keyfold_buf
	var failed *C.keyfold_error
	C.keyfold_key_decrypt_text_with_context(k.pointer, start(sealed), C.size_t(len(sealed)), context, &text, &failed)
	runtime.KeepAlive(sealed)
	return taken(&text), failure(failed)
}

func contextOf(where map[string]string) (*C.keyfold_context, error) {
	context := C.keyfold_context_new()
	for name, value := range where {
		cName, cValue := C.CString(name), C.CString(value)
		var failed *C.keyfold_error
		C.keyfold_context_add_text(context, cName, cValue, &failed)
		freed(cName, cValue)
		if failed != nil {
			C.keyfold_context_free(context)
			return nil, fmt.Errorf("context field %s: %w", name, failure(failed))
		}
	}
	return context, nil
}

// start lends the bytes of a text to C for one call.
func start(text string) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(text)))
}

// taken copies a buffer into Go and wipes C's.
func taken(buffer *C.keyfold_buf) string {
	defer C.keyfold_buf_free(buffer)
	return C.GoStringN((*C.char)(unsafe.Pointer(buffer.data)), C.int(buffer.len))
}

func freed(texts ...*C.char) {
	for _, text := range texts {
		C.free(unsafe.Pointer(text))
	}
}

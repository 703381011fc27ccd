// Makes a store, encrypts, rotates the key, and reads what the old version encrypted.
//
//	go build -o demo . && ./demo demo.keyfold
//
// pkg-config must find keyfold.pc: where it lies in no usual folder, PKG_CONFIG_PATH names it.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	path := "demo.keyfold"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	if err := run(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string) error {
	// A real program makes the master key once and keeps it elsewhere.
	masterKey, err := GenerateMasterKey()
	if err != nil {
		return err
	}
	store, err := Open(path, masterKey, `{"create": true}`)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.CreateKey("pii"); err != nil {
		return err
	}
	pii, err := store.Key("pii")
	if err != nil {
		return err
	}
	defer pii.Close()

	// Where the value belongs. It is not stored: whoever decrypts says it again.
	where := map[string]string{"table": "users", "id": "42"}
	sealed, err := pii.EncryptText("ada@example.org", where)
	if err != nil {
		return err
	}
	if err := store.RotateKey("pii"); err != nil {
		return err
	}
	opened, err := pii.DecryptText(sealed, where)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n%s\n", sealed, opened)

	_, err = pii.DecryptText(sealed, map[string]string{"table": "users", "id": "43"})
	var refused *Error
	if !errors.As(err, &refused) || refused.Name != "KEYFOLD_DECRYPTION_FAILED" {
		return fmt.Errorf("a value moved to another row was opened: %w", err)
	}
	fmt.Println("in another row:", err)
	return nil
}

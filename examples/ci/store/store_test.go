package store_test

import (
	"os"
	"testing"

	"example.com/notes/store"
)

func TestPut(t *testing.T) {
	for _, name := range []string{"first", "second"} {
		name := name
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			notes := store.Store{Dir: t.TempDir()}
			if err := notes.Put(name, "hello"); err != nil {
				t.Fatal(err)
			}
			if text, err := notes.Get(name); err != nil || text != "hello" {
				t.Fatalf("got %q, %v", text, err)
			}
		})
	}
}

// TestPutFails means something under chaos.yaml only: there, no note of this name can be saved.
func TestPutFails(t *testing.T) {
	if os.Getenv("GOINJECT") == "" {
		t.Skip("needs goinject test chaos.yaml")
	}
	notes := store.Store{Dir: t.TempDir()}
	if err := notes.Put("doomed", "hello"); err == nil {
		t.Fatal("saved, although the disk is full")
	}
	if _, err := notes.Get("doomed"); !os.IsNotExist(err) {
		t.Fatalf("half a note was left: %v", err)
	}
}

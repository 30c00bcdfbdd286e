// Package store keeps notes in files.
package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Attempts is how often a note is written before it is given up.
const Attempts = 3

// A Store is a folder of notes.
type Store struct {
	Dir string
}

// Put saves a note; what fails is tried again.
func (s *Store) Put(name, text string) error {
	var err error
	for i := 0; i < Attempts; i++ {
		if err = s.write(name, text); err == nil {
			return nil
		}
	}
	return fmt.Errorf("note %s is not saved: %w", name, err)
}

// write replaces a note as a whole, or leaves it as it was.
func (s *Store) write(name, text string) (err error) {
	file := filepath.Join(s.Dir, name)
	temporary := file + ".new"
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return os.Rename(temporary, file)
}

// Get reads a note.
func (s *Store) Get(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(s.Dir, name))
	return string(text), err
}

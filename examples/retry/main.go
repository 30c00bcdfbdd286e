// Retry appends records to a journal. A write may fail now and then, so each is tried up to three times.
package main

import (
	"errors"
	"fmt"
	"io/ioutil"
	"os"
)

const attempts = 3

type journal struct {
	file *os.File
}

// write appends one record.
//
//go:noinline
func (j *journal) write(record string) (n int, err error) {
	return fmt.Fprintln(j.file, record)
}

// save is what is to be tested: it must not give up before the third attempt.
func (j *journal) save(record string) error {
	var err error
	for attempt := 1; attempt <= attempts; attempt++ {
		if _, err = j.write(record); err == nil {
			fmt.Printf("%s: saved, attempt %d\n", record, attempt)
			return nil
		}
		fmt.Printf("%s: attempt %d: %v\n", record, attempt, err)
	}
	return fmt.Errorf("%s is lost: %w", record, err)
}

func run() error {
	file, err := ioutil.TempFile("", "journal")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	j := &journal{file}
	for _, record := range []string{"first", "second", "third"} {
		if err := j.save(record); err != nil {
			return err
		}
	}
	text, err := ioutil.ReadFile(file.Name())
	if err != nil {
		return err
	}
	if string(text) != "first\nsecond\nthird\n" {
		return errors.New("the journal is not complete")
	}
	fmt.Println("the journal is complete")
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

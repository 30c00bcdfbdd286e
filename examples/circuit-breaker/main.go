// Circuit-breaker leaves a failing backend alone for a while instead of asking it again and again.
package main

import (
	"errors"
	"fmt"
	"os"
)

const (
	// tolerated failures in a row open the breaker.
	tolerated = 3
	// pause is how many requests an open breaker turns away before it tries the backend again.
	pause = 4
)

var errOpen = errors.New("circuit breaker is open")

type breaker struct {
	failures int
	waiting  int
}

// call asks the backend unless the breaker is open. This is what is to be tested.
func (b *breaker) call(request int) (string, error) {
	if b.waiting > 0 {
		b.waiting--
		return "", errOpen
	}
	answer, err := backend(request)
	if err == nil {
		b.failures = 0
		return answer, nil
	}
	b.failures++
	if b.failures >= tolerated {
		b.waiting = pause
	}
	return "", err
}

// backend stands for a remote service.
//
//go:noinline
func backend(request int) (answer string, err error) {
	return fmt.Sprintf("answer %d", request), nil
}

func main() {
	var b breaker
	for request := 1; request <= 12; request++ {
		answer, err := b.call(request)
		if err != nil {
			answer = err.Error()
		}
		fmt.Printf("%2d %s\n", request, answer)
	}
	if b.waiting > 0 {
		fmt.Println("error: the breaker did not close again")
		os.Exit(1)
	}
}

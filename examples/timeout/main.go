// Timeout asks a slow source for a rate, but waits only so long and then takes the last known one.
package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	patience  = 200 * time.Millisecond
	lastKnown = 1.07
)

// ask stands for a request to another service. The rule makes it slow.
func ask(currency string) (rate float64, err error) {
	switch currency {
	case "EUR":
		return 1.09, nil
	case "GBP":
		return 1.27, nil
	}
	return 0, fmt.Errorf("no rate for %q", currency)
}

// requests are those that are still out.
var requests sync.WaitGroup

// rate is what is to be tested: it must answer in time whatever the source does.
func rate(currency string) (float64, string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answers := make(chan float64, 1)
	requests.Add(1)
	go func() {
		defer requests.Done()
		if rate, err := ask(currency); err == nil {
			answers <- rate
		}
	}()
	select {
	case rate := <-answers:
		return rate, "fresh"
	case <-ctx.Done():
		return lastKnown, "last known, as " + ctx.Err().Error()
	}
}

func main() {
	for _, currency := range []string{"GBP", "EUR", "GBP"} {
		start := time.Now()
		rate, how := rate(currency)
		fmt.Printf("%s %.2f (%s)\n", currency, rate, how)
		if took := time.Since(start); took > 4*patience {
			fmt.Println("error: an answer took", took)
			os.Exit(1)
		}
	}
	requests.Wait()
}

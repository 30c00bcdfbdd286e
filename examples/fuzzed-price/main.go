// Fuzzed-price adds up an order. Prices come from elsewhere, so each is checked before it counts.
package main

import (
	"fmt"
	"os"
)

type line struct {
	item  string
	count int
}

var catalogue = map[string]int{"apple": 45, "bread": 320, "cheese": 1250, "olives": 590}

// price looks an item's price up, in cents.
func price(item string) (cents int, err error) {
	cents, ok := catalogue[item]
	if !ok {
		return 0, fmt.Errorf("no price for %q", item)
	}
	return cents, nil
}

// total is what is to be tested: whatever price says, it must not charge too little, or a fortune.
func total(order []line) (sum, refused int) {
	for _, line := range order {
		cents, err := price(line.item)
		if err != nil || cents <= 0 || cents > 10000 {
			fmt.Printf("%-6s refused: %d cents\n", line.item, cents)
			refused++
			continue
		}
		fmt.Printf("%-6s %d × %d cents\n", line.item, line.count, cents)
		sum += line.count * cents
	}
	return sum, refused
}

func main() {
	order := []line{
		{"apple", 6}, {"bread", 1}, {"cheese", 2}, {"olives", 3},
		{"apple", 2}, {"bread", 2}, {"cheese", 1}, {"olives", 1},
	}
	sum, refused := total(order)
	fmt.Printf("%d cents, %d lines refused\n", sum, refused)
	if sum < 0 || sum > 18*10000 {
		fmt.Println("error: nobody pays that")
		os.Exit(1)
	}
}

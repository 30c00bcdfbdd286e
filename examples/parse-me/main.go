// Parse-me calls one function with fixed arguments and prints what it got and what came back.
package main

import "fmt"

//go:noinline
func parseMe(a1 int, a2 bool, a3 float32) (r1 int64, r2 int32, r3 string) {
	fmt.Printf("inside:  a1 = %d, a2 = %t, a3 = %v\n", a1, a2, a3)
	return 100, 200, "test for ebpf"
}

func main() {
	r1, r2, r3 := parseMe(1, true, 96.69)
	fmt.Printf("outside: r1 = %d, r2 = %d, r3 = %q\n", r1, r2, r3)
}

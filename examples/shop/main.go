// Shop is a small HTTP service: customers ask what an order costs, and have a quota of requests.
//
// It serves on -addr. With -visits it also visits itself that often and ends, which is a test in one program.
package main

import (
	"flag"
	"fmt"
	"io"
	"io/ioutil"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

var prices = map[string]int{"apple": 45, "bread": 320, "cheese": 1250}

// price is what so many of an item cost, in cents.
func price(item string, count int) (cents int, err error) {
	each, ok := prices[item]
	if !ok {
		return 0, fmt.Errorf("no such item: %s", item)
	}
	return each * count, nil
}

type quotas struct {
	mutex sync.Mutex
	left  map[string]int
	each  int
}

// take uses up one request of a customer, if there is one left.
func (q *quotas) take(customer string) (left int, ok bool) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	left, known := q.left[customer]
	if !known {
		left = q.each
	}
	if left == 0 {
		return 0, false
	}
	q.left[customer] = left - 1
	return left - 1, true
}

// ServeHTTP answers GET /price?customer=…&item=…&count=….
func (q *quotas) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	query := request.URL.Query()
	left, ok := q.take(query.Get("customer"))
	if !ok {
		http.Error(w, "quota used up", http.StatusTooManyRequests)
		return
	}
	count, err := strconv.Atoi(query.Get("count"))
	if err != nil {
		http.Error(w, "count is not a number", http.StatusBadRequest)
		return
	}
	cents, err := price(query.Get("item"), count)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	fmt.Fprintf(w, "%d.%02d, %d requests left\n", cents/100, cents%100, left)
}

func visit(address, customer, item string, count int) error {
	url := fmt.Sprintf("http://%s/price?customer=%s&item=%s&count=%d", address, customer, item, count)
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := ioutil.ReadAll(io.LimitReader(response.Body, 1000))
	if err != nil {
		return err
	}
	fmt.Printf("%-5s %d %-6s %d %s\n", customer, count, item, response.StatusCode, strings.TrimSpace(string(body)))
	return nil
}

func main() {
	address := flag.String("addr", "127.0.0.1:8080", "where to serve")
	visits := flag.Int("visits", 0, "visit itself that often and end; 0: serve for ever")
	flag.Parse()
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	handler := &quotas{left: map[string]int{}, each: 5}
	if *visits == 0 {
		log.Fatal(http.Serve(listener, handler))
	}
	go http.Serve(listener, handler)
	items := []string{"apple", "bread", "cheese", "dates"}
	for n := 0; n < *visits; n++ {
		customer := []string{"alice", "bob"}[n%2]
		if err := visit(listener.Addr().String(), customer, items[n%len(items)], n+1); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
}

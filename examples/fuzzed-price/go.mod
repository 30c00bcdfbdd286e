module example.com/fuzzed-price

go 1.15

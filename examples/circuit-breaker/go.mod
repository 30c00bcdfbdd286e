module example.com/circuit-breaker

go 1.15

module example.com/parse-me

go 1.15

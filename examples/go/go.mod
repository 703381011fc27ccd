module example.org/keyfold-demo

go 1.21

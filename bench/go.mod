module github.com/slipway-cd/slipway/bench

go 1.26.3

require github.com/slipway-cd/slipway v0.0.0

require (
	golang.org/x/sync v0.24.0 // indirect
	gonum.org/v1/gonum v0.17.0 // indirect
)

replace github.com/slipway-cd/slipway => ../

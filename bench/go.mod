module github.com/slipway-cd/slipway/bench

go 1.26.3

require (
	github.com/slipway-cd/slipway v0.0.0
	golang.org/x/sync v0.24.0
	gonum.org/v1/gonum v0.17.0
)

replace github.com/slipway-cd/slipway => ../

module github.com/slipway-cd/slipway/bench

go 1.26.3

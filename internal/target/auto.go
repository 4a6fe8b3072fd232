package target

import (
	"github.com/slipway-cd/slipway/internal/config"
)

// auto is how the environment chooses weights, nil where they are fixed.
func (g *gates) auto() *config.Auto {
	if g.env.Strategy.Canary == nil {
		return nil
	}
	return g.env.Strategy.Canary.Auto
}

// rise is by how much a weight must rise at least, as a factor: each change has its price.
const rise = 1.5

// afford is the weight that what was seen so far permits, 0 where that is not clearly more than the present one.
func (w *watch) afford(auto config.Auto, weight int) int {
	if w == nil || w.panel == nil {
		return 0
	}
	next := min(w.panel.Afford(float64(auto.Budget), w.failures), 100)
	if float64(next) < rise*float64(weight) && (next < 100 || weight == 100) {
		return 0
	}
	return next
}

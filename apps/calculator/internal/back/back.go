// Package back is the calculator's backend: it finds prime factors.
package back

import (
	"net/http"

	"github.com/slipway-cd/slipway/apps/calculator/internal/factor"
	"github.com/slipway-cd/slipway/apps/calculator/internal/fault"
	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

// Handler answers POST /factors with a wire.Factors, or 400 with a wire.Error.
func Handler(id wire.Identity, faults *fault.Injector) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /factors", faults.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := wire.ReadRequest(w, r)
		if err != nil {
			wire.WriteError(w, http.StatusBadRequest, err.Error())
			return
		}
		found := factor.Of(uint64(req.Number))
		answer := wire.Factors{Number: req.Number, Factors: make([]wire.Number, len(found)), Backend: id}
		for i, f := range found {
			answer.Factors[i] = wire.Number(f)
		}
		wire.WriteJSON(w, http.StatusOK, answer)
	})))
	return mux
}

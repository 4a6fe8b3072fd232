package appinsights

import "sync/atomic"

// Losses are numbers of items that did not become rows, by why. A span that was lost before it was
// encoded counts as one item, whatever events it had.
type Losses struct {
	Full    int64 // queue or backlog were full: more telemetry than is sent, or nobody takes it
	Refused int64 // the service refused them, and would again
	Late    int64 // not accepted in ten minutes, or not before the process ended
}

type losses struct{ full, refused, late atomic.Int64 }

func (l *losses) now() Losses {
	return Losses{Full: l.full.Load(), Refused: l.refused.Load(), Late: l.late.Load()}
}

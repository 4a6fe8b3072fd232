package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/slipway-cd/slipway/bench/internal/report"
)

const groupSandbox = "The sandbox"

// Up makes sure that the sandbox is there.
func (b *Bench) Up(ctx context.Context) error {
	b.log("the sandbox: up")
	_, err := b.Programs.Must(ctx, 0, "slipway", "sandbox", "--dir", b.Programs.Dir, "up")
	return err
}

// Sandbox measures how long the sandbox takes to come up, with its objects kept, and how much memory it has then. It takes
// the sandbox down, again and again.
func (b *Bench) Sandbox(ctx context.Context) error {
	up := b.Report.Add(report.Figure{ID: "sandbox.up", Group: groupSandbox, What: "slipway sandbox up, after down --keep", Unit: report.Milliseconds, Goal: report.Ms(25 * time.Second)})
	memory := b.Report.Add(report.Figure{ID: "sandbox.memory", Group: groupSandbox, What: "resident memory of all its parts (PSS) then", Unit: report.Mebibytes, Goal: 1.2 * 1024})
	b.Report.Begin("the sandbox")
	for i := 1; i <= b.Runs; i++ {
		b.log("the sandbox: down and up, run %d of %d", i, b.Runs)
		if _, err := b.Programs.Must(ctx, 0, "slipway", "sandbox", "--dir", b.Programs.Dir, "down", "--keep"); err != nil {
			return err
		}
		r, err := b.Programs.Must(ctx, 0, "slipway", "sandbox", "--dir", b.Programs.Dir, "up")
		if err != nil {
			return err
		}
		up.Took(r.Took())
		if r, err = b.Programs.Must(ctx, 0, "slipway", "sandbox", "--dir", b.Programs.Dir, "status", "-o", "json"); err != nil {
			return err
		}
		var status struct {
			PSS float64 `json:"pssBytes"`
		}
		if err := json.Unmarshal([]byte(r.Stdout), &status); err != nil {
			return fmt.Errorf("reading the sandbox's status: %w", err)
		}
		memory.Size(status.PSS)
	}
	return nil
}

package measure

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"strings"

	"github.com/slipway-cd/slipway/bench/internal/report"
)

const (
	groupStart = "Starting: the whole process of `version`, in turns"
	groupSize  = "Size of the binaries, stripped"
	pairs      = 30
)

// Start measures how long `slipway version` takes against `helm version`.
func (b *Bench) Start(ctx context.Context) error {
	b.log("starting: %d pairs", pairs)
	b.Report.Begin("starting")
	own := b.Report.Add(report.Figure{ID: "start.slipway", Group: groupStart, What: "slipway version", Unit: report.Milliseconds, Against: []string{"start.helm"}})
	helm := b.Report.Add(report.Figure{ID: "start.helm", Group: groupStart, What: "helm version (Helm 4)", Unit: report.Milliseconds, Yardstick: true, Short: "helm version"})
	for i := range pairs + 2 {
		for _, p := range []struct {
			name   string
			figure *report.Figure
		}{{"slipway", own}, {"helm4", helm}} {
			r, err := b.Programs.Must(ctx, 0, p.name, "version")
			if err != nil {
				return err
			}
			if i >= 2 { // the first two fill the page cache
				p.figure.Took(r.Took())
			}
		}
	}
	own.Goal = report.Median(helm.Values) // no slower than Helm
	return nil
}

// Sizes tells how large the binaries are.
func (b *Bench) Sizes() error {
	for _, p := range []struct {
		name   string
		figure report.Figure
	}{
		{"slipway", report.Figure{ID: "size.slipway", What: "slipway", Goal: 110, Against: []string{"size.helm"}}},
		{"helm4", report.Figure{ID: "size.helm", What: "helm (Helm 4)", Yardstick: true, Short: "helm"}},
	} {
		info, err := os.Stat(b.Programs.Path(p.name))
		if err != nil {
			return fmt.Errorf("measuring a binary: %w", err)
		}
		if bin, err := elf.Open(b.Programs.Path(p.name)); err == nil {
			if bin.Section(".symtab") != nil {
				b.Report.Notes = append(b.Report.Notes, p.name+" is not stripped, so its size says little")
			}
			_ = bin.Close()
		}
		p.figure.Group, p.figure.Unit = groupSize, report.Megabytes
		b.Report.Add(p.figure).Size(float64(info.Size()))
	}
	return nil
}

// Versions tells which programs are measured.
func (b *Bench) Versions(ctx context.Context) error {
	for _, name := range []string{"slipway", "helm4"} {
		r, err := b.Programs.Must(ctx, 0, name, "version")
		if err != nil {
			return err
		}
		b.Report.Programs = append(b.Report.Programs, strings.TrimSpace(strings.TrimPrefix(r.Stdout, "version.BuildInfo")))
	}
	return nil
}

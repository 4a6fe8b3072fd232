//go:build linux

package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/proc"
	"github.com/slipway-cd/slipway/sandbox/internal/supervisor"
)

// Row is one line of the status.
type Row struct {
	Part  string `json:"part"`
	What  string `json:"what,omitempty"`
	State string `json:"state"`
	PID   int    `json:"pid,omitempty"`
	Where string `json:"where,omitempty"`
	// PSS and RSS are bytes: PSS counts memory shared with others by share.
	PSS int64 `json:"pssBytes,omitempty"`
	RSS int64 `json:"rssBytes,omitempty"`
	// Uptime is in seconds.
	Uptime   float64 `json:"uptimeSeconds,omitempty"`
	Restarts int     `json:"restarts,omitempty"`
	Error    string  `json:"error,omitempty"`
}

// Status is the state of the whole sandbox.
type Status struct {
	Up         bool   `json:"up"`
	Dir        string `json:"dir"`
	Kubeconfig string `json:"kubeconfig"`
	PSS        int64  `json:"pssBytes"`
	RSS        int64  `json:"rssBytes"`
	Parts      []Row  `json:"parts"`
}

// ErrDown says that a part is not ready.
var ErrDown = errors.New("the sandbox is not up: `slipway sandbox up` starts or repairs it")

// Status finds out what runs. It is not an error that something is down.
func (a *App) Status(ctx context.Context) (Status, error) {
	s := Status{Dir: a.Layout.Dir, Kubeconfig: a.Layout.Kubeconfig()}
	if os.Geteuid() != 0 {
		return s, usageErrorf("the sandbox runs as root, so only root can look at it: use `sudo slipway sandbox status`")
	}
	all, err := proc.Find(a.Layout.Dir)
	if err != nil {
		return s, err
	}
	r, err := supervisor.NewClient(a.Layout.SupervisorSocket()).Probe(ctx)
	if err != nil {
		r = a.unsupervised(all)
	}
	s.Up = err == nil && r.AllReady()
	rows := map[int]*Row{}
	for _, u := range r.Units {
		row := Row{Part: u.Name, What: u.What, State: string(u.State), PID: u.PID, Where: u.Where, Restarts: u.Restarts, Error: u.Error}
		if u.PID != 0 {
			row.Uptime = time.Since(u.Started).Seconds()
		}
		s.Parts = append(s.Parts, row)
	}
	if err == nil {
		s.Parts = append(s.Parts, Row{Part: "supervisor", What: "keeps the others running", State: string(supervisor.Ready), PID: r.PID, Uptime: time.Since(r.Started).Seconds()})
	}
	for i := range s.Parts {
		if s.Parts[i].PID != 0 {
			rows[s.Parts[i].PID] = &s.Parts[i]
		}
	}
	shims := Row{Part: "shims", What: "one for each pod"}
	for _, p := range all {
		row := rows[p.PID]
		if row == nil {
			if filepath.Base(p.Exe) != "containerd-shim-runc-v2" {
				continue // a short-lived helper of a part
			}
			row = &shims
			row.State = "ready"
			row.Uptime = max(row.Uptime, time.Since(p.Started).Seconds())
		}
		m, err := proc.ReadMemory(p.PID)
		if err != nil {
			continue // ended just now
		}
		row.PSS += m.PSS
		row.RSS += m.RSS
		s.PSS += m.PSS
		s.RSS += m.RSS
	}
	if shims.State != "" {
		s.Parts = append(s.Parts, shims)
	}
	return s, nil
}

// unsupervised describes the parts by what runs, when no supervisor answers.
func (a *App) unsupervised(all []proc.Process) supervisor.Report {
	var r supervisor.Report
	units, err := a.units()
	if err != nil {
		return r // nothing is set up
	}
	for _, u := range units {
		st := supervisor.Status{Name: u.Name, What: u.What, Where: u.Where, State: "unknown"}
		if !u.Task() {
			st.State = "down"
			i := slices.IndexFunc(all, func(p proc.Process) bool { return p.Mark.Part == u.Name && p.Runs(u.Path) })
			if i >= 0 {
				st.State, st.PID, st.Started = "unsupervised", all[i].PID, all[i].Started
			}
		}
		r.Units = append(r.Units, st)
	}
	r.Units = append(r.Units, supervisor.Status{Name: "supervisor", What: "keeps the others running", State: "down"})
	return r
}

// PrintStatus writes s as JSON or as a table, with resident memory when wide.
func (a *App) PrintStatus(s Status, format string) error {
	if format == "json" {
		e := json.NewEncoder(a.Out)
		e.SetIndent("", "  ")
		return e.Encode(s)
	}
	wide := format == "wide"
	if len(s.Parts) == 0 {
		fmt.Fprintf(a.Out, "There is no sandbox in %s.\n", s.Dir)
		return nil
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	line := func(part, state, pid, where, pss, rss, up, what string) {
		if wide {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", part, state, pid, where, pss, rss, up, what)
		} else {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", part, state, pid, where, pss, up)
		}
	}
	line("PART", "STATE", "PID", "WHERE", "PSS MiB", "RSS MiB", "UPTIME", "WHAT")
	for _, r := range s.Parts {
		pid, pss, rss, up := "", "", "", ""
		if r.PID != 0 {
			pid = fmt.Sprint(r.PID)
		}
		if r.RSS != 0 {
			pss, rss = mib(r.PSS), mib(r.RSS)
			up = (time.Duration(r.Uptime) * time.Second).String()
		}
		line(r.Part, r.State, pid, cmp.Or(r.Where, "-"), pss, rss, up, r.What)
	}
	line("total", "", "", "", mib(s.PSS), mib(s.RSS), "", "")
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range s.Parts {
		if r.Error != "" {
			fmt.Fprintf(a.Out, "%s: %s (log: %s)\n", r.Part, r.Error, a.Layout.Log(r.Part))
		}
	}
	fmt.Fprintf(a.Out, "\nexport KUBECONFIG=%s\n", s.Kubeconfig)
	return nil
}

func mib(b int64) string { return fmt.Sprintf("%.0f", float64(b)/(1<<20)) }

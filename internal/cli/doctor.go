package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/target"
)

func (a *app) doctorCommand() *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Which identity this is, and whether it can do what a release needs",
		Long: `Finds out which identity this process has, and tries what a release will do, without changing anything: read the vault, pull
and push, reach the cluster, query telemetry. What is missing is named with the role that gives it. Without --env every
environment is looked at. The exit code is 0 when all is right, and else 2.`,
		Example: "  slipway doctor --env prod1\n  slipway doctor -o json | jq '.[].findings[] | select(.ok | not)'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			cfg, _, err := config.Load(a.file, a.Getenv)
			if err != nil {
				return err
			}
			names := []string{env}
			if env == "" {
				names = nil
				for name := range cfg.Environments {
					names = append(names, name)
				}
				slices.Sort(names)
			}
			var all []target.Diagnosis
			for _, name := range names {
				d, err := target.Examine(cmd.Context(), cfg, name, a.targetOptions(name, event.Discard))
				if err != nil {
					return err
				}
				all = append(all, d)
			}
			if a.output == "json" {
				err = a.printJSON(all)
			} else {
				err = printDiagnoses(a.Out, all, time.Now())
			}
			if err == nil && slices.ContainsFunc(all, func(d target.Diagnosis) bool { return !d.OK() }) {
				return &saidError{&usageError{err: fmt.Errorf("something is not right")}}
			}
			return err
		},
	}
	a.optionalEnvFlag(cmd, &env)
	a.outputFlag(cmd, "how to print it")
	return cmd
}

// printDiagnoses says first how it stands, then who this is and what it can do, last what to do.
func printDiagnoses(w io.Writer, all []target.Diagnosis, now time.Time) error {
	var b strings.Builder
	for i, d := range all {
		if i > 0 {
			b.WriteString("\n")
		}
		printDiagnosis(&b, d, now)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printDiagnosis(b *strings.Builder, d target.Diagnosis, now time.Time) {
	wrong := 0
	for _, f := range d.Findings {
		if !f.OK {
			wrong++
		}
	}
	if wrong == 0 {
		fmt.Fprintf(b, "%s: all is right.\n", d.Environment)
	} else {
		fmt.Fprintf(b, "%s: %s not right; nothing was changed.\n", d.Environment, isAre(wrong))
	}
	b.WriteString("\n")
	if id := d.Identity; id != nil {
		who := "client " + id.ClientID
		if id.Name != "" {
			who = id.Name
		}
		fmt.Fprintf(b, "  This process is %s.\n    object id  %s\n    tenant     %s\n    found by   %s\n", who, id.ObjectID, id.Tenant, d.Found)
		if left := id.Expires.Sub(now); left > 0 {
			fmt.Fprintf(b, "    token      good for %.0f min, renewed by itself\n", left.Minutes())
		}
	} else if d.Found != "" {
		fmt.Fprintf(b, "  This process has an identity, but Entra does not know it.\n    found by   %s\n", d.Found)
	}
	for _, p := range d.Passed {
		fmt.Fprintf(b, "    passed     %s\n", p)
	}
	if d.Identity != nil || d.Found != "" {
		b.WriteString("\n")
	}
	var next []string
	for _, f := range d.Findings {
		mark := "ok   "
		if !f.OK {
			mark = "NO   "
		}
		fmt.Fprintf(b, "  %s%-28s %s\n", mark, f.What, f.Object)
		if f.Problem != "" {
			fmt.Fprintf(b, "         %s\n", strings.ReplaceAll(f.Problem, "\n", "\n         "))
		}
		if f.Role != "" {
			to := "the identity"
			if d.Identity != nil {
				to = "object id " + d.Identity.ObjectID
			}
			next = append(next, fmt.Sprintf("assign to %s the role %s", to, f.Role))
		}
	}
	for _, n := range next {
		fmt.Fprintf(b, "\n  next: %s", n)
	}
	if len(next) > 0 {
		b.WriteString("\n        a new role takes some minutes to work; then: slipway doctor --env " + d.Environment + "\n")
	}
}

func isAre(n int) string {
	if n == 1 {
		return "1 thing is"
	}
	return fmt.Sprintf("%d things are", n)
}

package cli_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-cd/slipway/internal/cli"
)

// update renews the goldens in the scripts; the flag is declared beside the other goldens of this directory.
func update() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"slipway": func() {
		os.Exit(cli.Main(context.Background(), cli.Program{
			Version: "v0.0.0-test", Commit: "0123456789ab",
			Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv,
		}))
	}})
}

// Each script is a way to use the program wrongly (or not) without any cluster or registry at hand.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"traffic": traffic,
		},
		UpdateScripts:       update(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// exits CODE PROGRAM [ARG…] runs a program that must end with exactly that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("running %s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// traffic DIR EACH [DROP|SWAP] records twelve minutes of 60 requests a second, a sixth of them to slot green from minute two on. One of
// EACH requests to green fails, one of a hundred to blue. It leaves out the column DROP; SWAP lets telemetry arrive before it happens.
func traffic(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: traffic DIR EACH [DROP|SWAP]")
	}
	each, err := strconv.Atoi(args[1])
	ts.Check(err)
	odd := append(args, "")[2]
	noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	var lines strings.Builder
	served := map[string]int{}
	for i := range 12 * 60 * 60 {
		at := noon.Add(time.Duration(i) * time.Second / 60)
		slot, of := "blue", 100
		if i >= 2*60*60 && i%6 == 0 {
			slot, of = "green", each
		}
		served[slot]++
		delay := 10*time.Second + time.Duration(i%7)*time.Second
		if odd == "SWAP" {
			delay = -time.Second
		}
		columns := []string{
			fmt.Sprintf(`"TimeGenerated":%q`, at.Format(time.RFC3339Nano)), fmt.Sprintf(`"_IngestedAt":%q`, at.Add(delay).Format(time.RFC3339Nano)),
			fmt.Sprintf(`"OperationId":"op%d"`, i), fmt.Sprintf(`"AppRoleInstance":"%s-%d"`, slot, served[slot]%3), `"ItemCount":1`,
			fmt.Sprintf(`"Properties":{"slot":%q}`, slot), fmt.Sprintf(`"Success":%v`, served[slot]%of != 0), fmt.Sprintf(`"DurationMs":%d.5`, 10+i*i%97),
		}
		columns = slices.DeleteFunc(columns, func(c string) bool { return odd != "" && strings.HasPrefix(c, `"`+odd+`"`) })
		lines.WriteString("{" + strings.Join(columns, ",") + "}\n")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o777))
	ts.Check(os.WriteFile(dir+"/AppRequests.jsonl", []byte(lines.String()), 0o666))
}

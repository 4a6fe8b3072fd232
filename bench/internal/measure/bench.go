// Package measure has the measurements. Each takes what is measured and its yardstick in turns, so that both meet the
// machine in the same state.
package measure

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"text/template"
	"time"

	"github.com/slipway-cd/slipway/bench/internal/report"
	"github.com/slipway-cd/slipway/bench/internal/sandbox"
	"github.com/slipway-cd/slipway/bench/internal/visitor"
)

//go:embed slipway.yaml.tmpl
var configTemplate string

//go:embed hand.yaml
var handManifest string

// gatewayURL is where the sandbox's gateway takes requests.
const gatewayURL = "http://127.0.0.1:8080"

// Bench is one run of the benchmark.
type Bench struct {
	Programs sandbox.Programs
	Report   *report.Report
	// Runs of each measurement of a release.
	Runs int
	// Temp is a directory for configuration and records; the caller removes it.
	Temp string
	// Log takes one line for each thing that is begun.
	Log io.Writer

	mu sync.Mutex // of the report, where several things are measured at a time

	proxy     *sandbox.Proxy
	good, bad bundle
}

type bundle struct {
	dir       string // with its slipway.yaml
	reference string
	images    map[string]string // by name, with digest
}

func (b *Bench) log(format string, args ...any) {
	_, _ = fmt.Fprintf(b.Log, time.Now().UTC().Format("15:04:05 ")+format+"\n", args...)
}

// namespaces of the benchmark; all are removed before and after it.
var namespaces = []string{"bench-gateway", "bench-nginx", "bench-whole", "bench-hand", "bench-helm", "bench-fast", "bench-complete"}

// Open builds the bundles and installs what is measured. Close removes it again.
func (b *Bench) Open(ctx context.Context) error {
	b.log("removing what an earlier run has left")
	if err := b.remove(ctx); err != nil {
		return err
	}
	var err error
	if b.proxy, err = b.Programs.StartProxy(ctx); err != nil {
		return err
	}
	b.log("building the service, and a version of which half of the answers fail")
	if b.good, err = b.build(ctx, "good", "0", false); err != nil {
		return err
	}
	b.bad, err = b.build(ctx, "bad", "0.5", false)
	return err
}

// Close removes everything that the benchmark has put into the cluster.
func (b *Bench) Close(ctx context.Context) error {
	if b.proxy != nil {
		b.proxy.Close()
	}
	b.log("cleaning up")
	return b.remove(ctx)
}

func (b *Bench) remove(ctx context.Context) error {
	_, err := b.Programs.Kubectl(ctx, append([]string{"delete", "namespace", "--ignore-not-found", "--wait"}, namespaces...)...)
	return err
}

func (b *Bench) build(ctx context.Context, version, failureRate string, random bool) (bundle, error) {
	made := bundle{dir: filepath.Join(b.Temp, version), images: map[string]string{}}
	if err := os.MkdirAll(made.dir, 0o755); err != nil {
		return made, fmt.Errorf("making the benchmark's project: %w", err)
	}
	var yaml bytes.Buffer
	t, err := template.New("slipway.yaml").Parse(configTemplate)
	if err == nil {
		err = t.Execute(&yaml, map[string]any{"Root": b.Programs.Root, "Kubeconfig": b.Programs.Kubeconfig(), "Dir": b.Programs.Dir, "FailureRate": failureRate, "Random": random})
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(made.dir, "slipway.yaml"), yaml.Bytes(), 0o644)
	}
	if err != nil {
		return made, fmt.Errorf("making the benchmark's project: %w", err)
	}
	r, err := b.Programs.Must(ctx, 0, "slipway", "build", "-f", made.dir, "--version", version, "-o", "json")
	if err != nil {
		return made, err
	}
	var out struct {
		Reference string `json:"reference"`
		Bundle    struct {
			Images map[string]struct {
				Repository string `json:"repository"`
				Digest     string `json:"digest"`
			} `json:"images"`
		} `json:"bundle"`
	}
	if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil || out.Reference == "" {
		return made, fmt.Errorf("slipway build printed no bundle (%v): %s", err, r.Stdout)
	}
	made.reference = out.Reference
	for name, i := range out.Bundle.Images {
		made.images[name] = i.Repository + "@" + i.Digest
	}
	return made, nil
}

// values are those of the chart, for Helm.
func (b *Bench) values(slot, version string, replicas int) (string, error) {
	part := func(image string) map[string]any {
		return map[string]any{"image": b.good.images[image], "replicas": replicas}
	}
	raw, err := json.Marshal(map[string]any{
		"slot": slot, "version": version, "frontend": part("calculator-frontend"), "backend": part("calculator-backend"),
	})
	if err != nil {
		return "", fmt.Errorf("writing values for helm: %w", err)
	}
	path := filepath.Join(b.Temp, "values-"+slot+"-"+version+".yaml") // JSON is YAML
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		return "", fmt.Errorf("writing values for helm: %w", err)
	}
	return path, nil
}

// helm installs or upgrades the calculator's chart and waits until it is ready.
func (b *Bench) helm(ctx context.Context, command, name, namespace, slot, version string, replicas int) (sandbox.Ran, error) {
	values, err := b.values(slot, version, replicas)
	if err != nil {
		return sandbox.Ran{}, err
	}
	args := []string{command, name, filepath.Join(b.Programs.Root, "charts", "calculator"), "-n", namespace, "-f", values, "--wait"}
	if command == "install" {
		args = append(args, "--create-namespace")
	}
	return b.Programs.Must(ctx, 0, "helm4", args...)
}

// release runs slipway release, which must end with the exit code want, and reads the events it wrote.
func (b *Bench) release(ctx context.Context, made bundle, env string, want int) (sandbox.Ran, []event, error) {
	r, events, err := b.released(ctx, made, env)
	if err == nil && r.Code != want {
		err = fmt.Errorf("slipway release --env %s: exit code %d, not %d:\n%s%s", env, r.Code, want, r.Stdout, r.Stderr)
	}
	return r, events, err
}

// released runs slipway release to whatever end.
func (b *Bench) released(ctx context.Context, made bundle, env string) (sandbox.Ran, []event, error) {
	path := filepath.Join(b.Temp, "events-"+env)
	r, err := b.Programs.Run(ctx, "slipway", "release", "-f", made.dir, "--env", env, "--bundle", made.reference, "--events", path)
	if err != nil {
		return r, nil, err
	}
	events, err := readEvents(path)
	return r, events, err
}

// visit starts a visitor of a host.
func (b *Bench) visit(ctx context.Context, host string) (*visitor.Visitor, error) {
	return visitor.Start(b.Programs.Command(context.WithoutCancel(ctx), "loadgen"), gatewayURL, host, visitor.Rate)
}

package target

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/promql"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/internal/telemetry/prometheus"
)

// lookTimeout bounds one look at telemetry with all its tries.
const lookTimeout = time.Minute

// ErrNoTelemetry says that an environment names no Application Insights.
var ErrNoTelemetry = errors.New("the environment has no telemetry.applicationInsights")

// identity is who asks Azure, and how it is reached.
func identity(a config.Azure, getenv func(string) string) (azcore.TokenCredential, azcore.ClientOptions, error) {
	cloud, err := azure.NewCloud(a.Cloud, azure.Endpoints(a.Endpoints))
	if err != nil {
		return nil, azcore.ClientOptions{}, err
	}
	cred, client, _, err := identityIn(cloud, a, getenv)
	return cred, client, err
}

// identityIn is identity in a cloud, with how it was found.
func identityIn(cloud azure.Cloud, a config.Azure, getenv func(string) string) (azcore.TokenCredential, azcore.ClientOptions, azure.Source, error) {
	client, err := cloud.ClientOptions(a.CAFile)
	if err != nil {
		return nil, azcore.ClientOptions{}, azure.Source{}, err
	}
	cred, source, err := azure.Credential(azure.Options{Cloud: cloud, Client: client, Tenant: a.Tenant, ClientID: a.ClientID, TokenFile: a.TokenFile, Getenv: getenv})
	return cred, client, source, err
}

// Workspace is the Log Analytics workspace of an environment, with the identity that is at hand. It asks nothing yet.
func Workspace(env config.Environment, getenv func(string) string) (*loganalytics.Client, error) {
	insights := env.Telemetry.ApplicationInsights
	if insights == nil {
		return nil, ErrNoTelemetry
	}
	cred, client, err := identity(env.Azure, getenv)
	if err != nil {
		return nil, err
	}
	return loganalytics.NewClient(cred, loganalytics.Options{Workspace: insights.Workspace, Client: client})
}

// unreadable answers every query with the reason why none can be asked.
type unreadable struct{ err error }

func (u unreadable) Query(context.Context, string) (loganalytics.Answer, error) {
	return loganalytics.Answer{}, u.err
}

// connect makes the clients that the gates on telemetry ask. What goes wrong is told when they ask, in the preflight check first.
func (g *gates) connect(getenv func(string) string) error {
	if p := g.env.Telemetry.Prometheus; p != nil && p.URL != "" {
		server, err := prometheus.NewServer(p.URL, http.DefaultTransport, time.Now)
		if err != nil {
			return err
		}
		g.counters = server
	} else if p != nil {
		g.counters = prometheus.Scrape{URLs: p.Metrics, Client: http.DefaultClient, Now: time.Now}
	}
	if !slices.ContainsFunc(g.telemetry, func(n namedGate) bool { return n.OnInsights() }) {
		return nil
	}
	client, err := Workspace(g.env, getenv)
	if err != nil {
		g.workspace = unreadable{err}
		return nil
	}
	g.workspace = client
	return nil
}

// check asks what the gates will ask, before anything is touched: the workspace, the permission to read it and the queries must
// be right. An API's own troubles refuse a release too: its gates could only hold.
func (g *gates) check(ctx context.Context) error {
	if on := g.env.Judge.OnDeadline; on == config.OnDeadlinePromote && len(g.telemetry) > 0 {
		g.warn("judge.onDeadline is promote: without evidence a release is promoted", "judge.onDeadline: rollback is the safe way")
	}
	if g.counters != nil && slices.ContainsFunc(g.telemetry, func(n namedGate) bool { return n.Prometheus != nil }) {
		like := promql.Arm{Namespace: g.env.Namespace, Slot: "green", Release: "preflight", Service: "preflight"}
		if _, err := prometheus.NewSource(g.counters, counters(g.telemetry), like).Look(ctx); err != nil {
			return fmt.Errorf("reading counters as the gates will: %w", err)
		}
	}
	if g.workspace == nil {
		return nil
	}
	return g.checkWorkspace(ctx)
}

// checkWorkspace asks for the last minutes.
func (g *gates) checkWorkspace(ctx context.Context) error {
	now := time.Now().UTC()
	insights := *g.env.Telemetry.ApplicationInsights
	of := loganalytics.Release{Candidate: "green", Production: "blue", Since: now.Add(-5 * time.Minute)}
	if _, err := loganalytics.NewSource(g.workspace, spec(insights, g.telemetry), nil, nil, of).Look(ctx); err != nil {
		return fmt.Errorf("asking for telemetry as the gates will: %w", err)
	}
	for _, n := range g.telemetry {
		if n.KQL == nil {
			continue
		}
		if err := loganalytics.Check(ctx, g.workspace, loganalytics.Custom{Gate: n.name, Query: n.KQL.Query}, n.KQL.Max != nil, of, now, time.Duration(insights.Batch)); err != nil {
			return fmt.Errorf("asking gate %s's query: %w", n.name, err)
		}
	}
	return nil
}

// Query is what gates ask telemetry.
type Query struct {
	What string // "gates failures, latency"
	Text string
}

// Queries are what the environment's gates on telemetry ask in a look, or only what the named one does. Latency gates compare
// with quantiles that a release measures first; their query stands for them here.
func Queries(cfg *config.Config, env config.Environment, name string, r loganalytics.Release) ([]Query, error) {
	insights := env.Telemetry.ApplicationInsights
	if insights == nil {
		return nil, ErrNoTelemetry
	}
	var built []namedGate
	var builtNames []string
	var out []Query
	names := env.Gates
	if name != "" {
		if _, err := cfg.Gate(name); err != nil {
			return nil, err
		}
		names = []string{name}
	}
	batch := time.Duration(insights.Batch)
	for _, n := range names {
		g, err := cfg.Gate(n)
		switch {
		case err != nil:
			return nil, err
		case g.KQL != nil:
			bound := loganalytics.Custom{Gate: n, Query: g.KQL.Query}.Bound(r, r.Since, time.Now().UTC(), batch)
			out = append(out, Query{"gate " + n, bound})
		case g.OnInsights():
			built, builtNames = append(built, namedGate{n, g}), append(builtNames, n)
		case name != "":
			if g.Prometheus != nil {
				return nil, fmt.Errorf("gate %s reads counters by the queries in slipway.yaml; there is nothing more to explain", name)
			}
			return nil, fmt.Errorf("gate %s reads no telemetry: it asks the candidate itself", name)
		}
	}
	if len(built) > 0 {
		s := spec(*insights, built)
		what := "gate " + strings.Join(builtNames, ", gate ")
		if l := latencies(built); len(l) > 0 {
			out = append(out, Query{"production's latency before the candidate", loganalytics.BaselineQuery(s, r, l)})
		}
		out = slices.Insert(out, 0, Query{what, loganalytics.NewSource(nil, s, nil, nil, r).Query()})
	}
	if len(out) == 0 {
		return nil, errors.New("no gate of this environment reads telemetry")
	}
	return out, nil
}

// spec says what the gates want counted.
func spec(a config.ApplicationInsights, gates []namedGate) loganalytics.Spec {
	s := loganalytics.Spec{Slot: a.Slot, Roles: a.Roles, Exclude: a.Exclude, Batch: time.Duration(a.Batch)}
	for _, n := range gates {
		s.Exceptions = s.Exceptions || n.Exceptions != nil
		s.Dependencies = s.Dependencies || n.Dependencies != nil
		s.Availability = s.Availability || n.Availability != nil
	}
	return s
}

func latencies(gates []namedGate) []loganalytics.Latency {
	var out []loganalytics.Latency
	for _, n := range gates {
		if r := n.Requests; r != nil && r.FailureRate == nil {
			slower := r.WorseBy.Multiple() + r.WorseBy.Add
			if r.WorseBy == (config.Tolerance{}) {
				slower = passSlower
			}
			out = append(out, loganalytics.Latency{Gate: n.name, Quantile: r.Quantile, Slower: slower, Within: time.Duration(r.Within)})
		}
	}
	return out
}

func custom(gates []namedGate) []loganalytics.Custom {
	var out []loganalytics.Custom
	for _, n := range gates {
		if n.KQL != nil && !n.bounds() {
			out = append(out, loganalytics.Custom{Gate: n.name, Query: n.KQL.Query})
		}
	}
	return out
}

package target

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/internal/vault"
)

// examineFor bounds one examination with all its tries.
const examineFor = 20 * time.Second

// Diagnosis is what this process is, and can do, in one environment.
type Diagnosis struct {
	Environment string `json:"environment"`
	// Identity is nil where nothing of Azure is used, or where Entra gave no token.
	Identity *azure.Identity `json:"identity,omitempty"`
	// Found says how the identity was found; Passed are the ways that were tried before.
	Found    string    `json:"found,omitempty"`
	Passed   []string  `json:"passed,omitempty"`
	Findings []Finding `json:"findings"`
}

// OK says whether nothing is wrong.
func (d Diagnosis) OK() bool {
	for _, f := range d.Findings {
		if !f.OK {
			return false
		}
	}
	return true
}

// Finding is one thing that a release needs.
type Finding struct {
	// What it is about: "identity", "read the vault" or "list the vault", "pull", "push", "reach the cluster", "release into the
	// namespace", "have the cluster fetch secrets", "query telemetry".
	What   string `json:"what"`
	Object string `json:"object"` // the vault's URL, a repository, a cluster
	OK     bool   `json:"ok"`
	// Problem is a sentence without a full stop.
	Problem string `json:"problem,omitempty"`
	// Role is what to assign to the identity, if that is missing.
	Role string `json:"role,omitempty"`
}

// Examine finds out who this process is and tries, without changing anything, what a release into the environment will do.
func Examine(ctx context.Context, cfg *config.Config, environment string, o Options) (Diagnosis, error) {
	env, err := cfg.Environment(environment)
	if err != nil {
		return Diagnosis{}, err
	}
	o.Environment, o.Sink = environment, event.Discard
	e := examination{cfg: cfg, env: env, options: o, diagnosis: Diagnosis{Environment: environment}}
	var known bool
	if e.usesAzure() {
		known = e.identity(ctx)
	}
	resolved, _, resolveErr := resolve(ctx, cfg, environment, reachable, o)
	if resolveErr == nil {
		if e.env, err = resolved.Environment(environment); err != nil {
			return Diagnosis{}, err
		}
	}
	var checks []func(context.Context) []Finding
	if known || !e.takesEntra() { // else its trouble is the identity's, which is told
		checks = append(checks, e.registry)
	}
	if (env.Vault.URL != "" || env.Vault.File != "") && (known || env.Vault.URL == "") {
		checks = append(checks, e.vault)
	}
	if known || env.Cluster.AKS == (config.AKS{}) {
		checks = append(checks, func(ctx context.Context) []Finding { return e.cluster(ctx, resolveErr) })
	}
	if known && env.Telemetry.ApplicationInsights != nil && resolveErr == nil {
		checks = append(checks, e.telemetry)
	}
	found := make([][]Finding, len(checks))
	var wg sync.WaitGroup
	for i, check := range checks {
		wg.Go(func() {
			limited, cancel := context.WithTimeout(ctx, examineFor)
			defer cancel()
			found[i] = check(limited)
		})
	}
	wg.Wait()
	for _, f := range found {
		e.diagnosis.Findings = append(e.diagnosis.Findings, f...)
	}
	return e.diagnosis, ctx.Err()
}

type examination struct {
	cfg       *config.Config
	env       config.Environment
	options   Options
	diagnosis Diagnosis
}

// usesAzure says whether something of the environment is asked with an identity of Azure.
func (e *examination) usesAzure() bool {
	return e.env.Vault.URL != "" || e.env.Cluster.AKS != (config.AKS{}) || e.env.Telemetry.ApplicationInsights != nil || e.takesEntra()
}

// takesEntra says whether the registry takes Entra tokens.
func (e *examination) takesEntra() bool {
	cloud, err := azure.NewCloud(e.env.Azure.Cloud, azure.Endpoints(e.env.Azure.Endpoints))
	host, _, _ := strings.Cut(e.cfg.Registry, "/")
	return err != nil || cloud.IsRegistry(host) || slices.Contains(e.env.Azure.Registries, host)
}

func (e *examination) identity(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, examineFor)
	defer cancel()
	a := e.env.Azure
	cloud, err := azure.NewCloud(a.Cloud, azure.Endpoints(a.Endpoints))
	if err == nil {
		err = e.describe(ctx, cloud)
	}
	if err != nil {
		e.diagnosis.Findings = append(e.diagnosis.Findings, Finding{What: "get a token from Entra", Object: cloud.Authority, Problem: err.Error()})
	}
	return err == nil
}

// describe asks Entra who this is.
func (e *examination) describe(ctx context.Context, cloud azure.Cloud) error {
	cred, _, source, err := identityIn(cloud, e.env.Azure, e.options.Getenv)
	if err != nil {
		return err
	}
	e.diagnosis.Found = source.String()
	for _, p := range source.Passed {
		e.diagnosis.Passed = append(e.diagnosis.Passed, string(p.Kind)+": "+p.Reason)
	}
	who, err := azure.Describe(ctx, cred, cloud)
	if err != nil {
		return err
	}
	e.diagnosis.Identity = &who
	return nil
}

func (e *examination) vault(ctx context.Context) []Finding {
	f := Finding{What: "read the vault", Object: e.env.Vault.URL}
	if f.Object == "" {
		f.Object = e.env.Vault.File
	}
	store, err := OpenVault(e.cfg, e.options.Environment, e.options.Getenv)
	remote, isRemote := store.(*vault.KeyVault)
	names := isRemote && e.env.SecretsBy.InCluster() && len(e.cfg.VaultRefs(e.options.Environment)) == 0 // no value is read
	switch {
	case err != nil:
	case names:
		f.What = "list the vault"
		err = remote.CanList(ctx)
	case isRemote:
		err = remote.CanRead(ctx)
	default:
		_, err = store.List(ctx)
	}
	var refused *vault.StoreError
	if names && errors.As(err, &refused) && refused.Trouble == vault.Denied {
		f.Problem, f.Role = "the vault does not let this identity list names and versions", `"Key Vault Reader" on the vault`
		return []Finding{f}
	}
	if errors.As(err, &refused) && refused.Trouble == vault.Denied {
		f.Problem, f.Role = "the vault does not let this identity read values", `"Key Vault Secrets User" on the vault`
		return []Finding{f}
	}
	return []Finding{f.with(err)}
}

func (f Finding) with(err error) Finding {
	f.OK = err == nil
	if err != nil {
		f.Problem = err.Error()
	}
	return f
}

// probeTag is a tag that no registry has.
const probeTag = "slipway-doctor-asks-for-nothing"

// registry tries to read a tag that is not there, and to begin an upload, which is given up at once.
func (e *examination) registry(ctx context.Context) []Finding {
	repository := e.cfg.Registry + "/" + e.cfg.Service + "/bundle"
	pull, push := Finding{What: "pull", Object: e.cfg.Registry}, Finding{What: "push", Object: e.cfg.Registry}
	keychain, transport, err := RegistryAccess(e.env.Azure, e.options.Getenv)
	if err != nil {
		return []Finding{pull.with(err)}
	}
	transport = until{ctx, transport}
	_, err = bundle.Resolve(ctx, repository+":"+probeTag, remote.WithAuthFromKeychain(keychain), remote.WithTransport(transport))
	var missing *bundle.NotFoundError
	if errors.As(err, &missing) {
		err = nil
	}
	pull = pull.forRole(err, `"AcrPull" on the registry`, "pull from")
	if err != nil && pull.Role == "" {
		return []Finding{pull} // it cannot be reached: once is enough
	}
	ref, err := name.NewTag(repository + ":" + probeTag)
	if err == nil {
		err = bundle.AsRegistryError(ref.RegistryStr(), remote.CheckPushPermission(ref, keychain, transport))
	}
	return []Finding{pull, push.forRole(err, `"AcrPush" on the registry`, "push to")}
}

// forRole tells a missing role from other troubles.
func (f Finding) forRole(err error, role, doing string) Finding {
	var refused *bundle.RegistryError
	if errors.As(err, &refused) && refused.Trouble == bundle.Unauthorized {
		f.Problem, f.Role = fmt.Sprintf("the registry does not let this identity %s it", doing), role
		return f
	}
	return f.with(err)
}

// until ends requests with a context, for a library that takes none.
type until struct {
	ctx  context.Context
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (u until) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := u.ctx.Err(); err != nil {
		return nil, err
	}
	deadline, ok := u.ctx.Deadline()
	if !ok {
		return u.next.RoundTrip(r)
	}
	ctx, cancel := context.WithDeadline(r.Context(), deadline)
	context.AfterFunc(u.ctx, cancel)
	return u.next.RoundTrip(r.WithContext(ctx))
}

// cluster connects, and asks what may be done in the namespace.
func (e *examination) cluster(ctx context.Context, unresolved error) []Finding {
	reach := Finding{What: "reach the cluster", Object: "the kubeconfig's current context"}
	aks := e.env.Cluster.AKS != config.AKS{}
	switch c := e.env.Cluster; {
	case aks:
		reach.Object = c.AKS.Group + "/" + c.AKS.Name
	case c.Context != "":
		reach.Object = "context " + c.Context
	case c.Kubeconfig != "":
		reach.Object = c.Kubeconfig
	}
	may := Finding{What: "release into the namespace", Object: e.env.Namespace}
	if unresolved != nil {
		reach.Problem = "not tried, because where it is stands in the vault: " + unresolved.Error()
		return []Finding{reach}
	}
	clients, err := connect(ctx, e.env, e.options)
	if err != nil {
		reach = reach.with(err)
		if aks && strings.Contains(err.Error(), "Cluster User Role") {
			reach.Role = `"Azure Kubernetes Service Cluster User Role" on the cluster`
		}
		return []Finding{reach}
	}
	router := "gateway"
	if e.env.Router.Nginx != nil {
		router = "nginx"
	}
	t := &Target{Environment: e.env, Name: e.options.Environment, Clients: clients, Plan: release.Plan{Router: router}}
	err = t.permissions(ctx)
	may = may.with(err)
	var denied *DeniedError
	if errors.As(err, &denied) {
		may.Problem = "missing: " + strings.Join(denied.Missing, ", ")
		may.Role = `a Role with these verbs in the namespace, or "Azure Kubernetes Service RBAC Writer" on the cluster`
	}
	found := []Finding{reach.with(nil), may}
	if e.env.SecretsBy.InCluster() && len(e.env.Secrets) > 0 {
		f := Finding{What: "have the cluster fetch secrets", Object: e.env.Namespace}
		found = append(found, f.with(newInjector(clients, e.env, event.Discard).Check(ctx)))
	}
	return found
}

func (e *examination) telemetry(ctx context.Context) []Finding {
	f := Finding{What: "query telemetry", Object: "workspace " + e.env.Telemetry.ApplicationInsights.Workspace}
	workspace, err := Workspace(e.env, e.options.Getenv)
	if err == nil {
		_, err = workspace.Query(ctx, "print answer = 1")
	}
	f = f.with(err)
	var refused *loganalytics.QueryError
	if errors.As(err, &refused) && refused.Kind == loganalytics.Forbidden {
		f.Problem, f.Role = "the workspace does not let this identity query it", `"Log Analytics Reader" on the workspace`
	}
	return []Finding{f}
}

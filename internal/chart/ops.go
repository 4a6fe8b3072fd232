package chart

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	helmrelease "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
)

// defaultTimeout bounds the chart's hooks, each by itself, and the wait of an uninstall; Helm's own default.
const defaultTimeout = 5 * time.Minute

// InstallOptions say what is installed, or what a release is upgraded to.
type InstallOptions struct {
	Release string
	Chart   *Chart
	// Values are all there is on top of the chart's defaults: those of an earlier revision are not kept.
	// They are stored in the release's record in the clear.
	Values map[string]any
	// Labels of the release's record. An upgrade keeps those of the last revision that it does not name.
	Labels map[string]string
	// Description is what `helm history` shows; default "Install complete" or "Upgrade complete".
	Description string
	// HookTimeout bounds each hook; default 5m.
	HookTimeout time.Duration
	// ForceConflicts takes over fields that someone else has set since (a scaled Deployment, a kubectl edit);
	// otherwise they end the operation with a [*ConflictError]. Only for releases applied server-side.
	ForceConflicts bool
}

// Install installs a release and runs its hooks. It does not wait for anything to become ready.
//
// The errors are typed: [*PendingError], [*ExistsError], [*ValuesError], [*RenderError], [*ForbiddenError],
// [*OwnershipError], [*NamespaceError], [*RejectedError], [*ConflictError], [*UnknownKindError], [*HookError],
// [*UnreachableError]. After an error the release is absent or its last revision failed, unless the error says more.
func (c *Client) Install(ctx context.Context, opts InstallOptions) (*Release, error) {
	return c.apply(ctx, opts, onlyInstall)
}

// Upgrade changes a release to another chart or other values and runs the hooks. It does not wait for readiness.
// Releases that were applied client-side, as Helm 3 did, go on being applied client-side.
//
// The errors are those of [Client.Install], [*ImmutableError], and [ErrNotFound] when there is no such release.
func (c *Client) Upgrade(ctx context.Context, opts InstallOptions) (*Release, error) {
	return c.apply(ctx, opts, onlyUpgrade)
}

// Apply is Upgrade where the release exists, and Install where it does not.
func (c *Client) Apply(ctx context.Context, opts InstallOptions) (*Release, error) {
	return c.apply(ctx, opts, installOrUpgrade)
}

type intent int

const (
	installOrUpgrade intent = iota
	onlyInstall
	onlyUpgrade
)

func (c *Client) apply(ctx context.Context, opts InstallOptions, intent intent) (*Release, error) {
	doing := "upgrading"
	if intent == onlyInstall {
		doing = "installing"
	}
	cfg, err := c.configure(ctx)
	if err != nil {
		return nil, err
	}
	last, err := c.last(cfg, opts.Release)
	if err != nil {
		return nil, c.explain(ctx, doing, opts.Release, err)
	}
	// gone: there is nothing to upgrade, though there may be a history.
	gone := last == nil || Status(last.Info.Status) == Uninstalled
	switch {
	case last != nil && Status(last.Info.Status).Pending():
		return nil, c.pending(last)
	case gone && intent == onlyUpgrade:
		return nil, c.explain(ctx, doing, opts.Release, driver.ErrReleaseNotFound)
	case !gone && (intent == onlyInstall || Status(last.Info.Status) == Uninstalling):
		return nil, &ExistsError{Release: opts.Release, Namespace: c.namespace, Revision: last.Version, Status: Status(last.Info.Status)}
	}
	chrt, err := opts.Chart.fresh()
	if err != nil {
		return nil, err
	}
	if opts.Chart.crds {
		// Helm asks the cluster after it has made the CRDs, which the templates may depend on.
		defer c.forget()
	} else if cfg.Capabilities == nil {
		if cfg.Capabilities, err = c.capabilities(); err != nil {
			return nil, c.explain(ctx, doing, opts.Release, err)
		}
	}
	timeout := opts.HookTimeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	// The fence ends the requests; given a context of its own, Helm would return and leave its work to go on.
	var (
		whole    = context.WithoutCancel(ctx)
		values   = cloneValues(opts.Values)
		waits    = []kube.WaitOption{kube.WithWaitContext(ctx)}
		result   any
		failure  error
		started  = time.Now()
		revision = 1
	)
	if gone {
		doing = "installing"
		install := action.NewInstall(cfg)
		install.ReleaseName, install.Namespace = opts.Release, c.namespace
		install.WaitStrategy, install.WaitOptions, install.Timeout = kube.HookOnlyStrategy, waits, timeout
		install.Labels, install.Description = opts.Labels, opts.Description
		install.ForceConflicts = opts.ForceConflicts
		install.DisableOpenAPIValidation = true
		install.Replace = last != nil
		result, failure = install.RunWithContext(whole, chrt, values)
	} else {
		revision = last.Version + 1
		upgrade := action.NewUpgrade(cfg)
		upgrade.Namespace = c.namespace
		upgrade.WaitStrategy, upgrade.WaitOptions, upgrade.Timeout = kube.HookOnlyStrategy, waits, timeout
		upgrade.Labels, upgrade.Description = opts.Labels, opts.Description
		upgrade.ForceConflicts = opts.ForceConflicts && serverSide(last)
		upgrade.DisableOpenAPIValidation = true
		upgrade.MaxHistory = maxHistory
		upgrade.ResetValues = true
		result, failure = upgrade.RunWithContext(whole, opts.Release, chrt, values)
	}
	if failure != nil {
		return nil, c.failed(ctx, cfg, doing, opts.Release, revision, failure)
	}
	c.log.DebugContext(ctx, "release applied", slog.String("release", opts.Release), slog.Duration("took", time.Since(started)))
	return describeReleaser(result), nil
}

// RollbackOptions of [Client.RollbackWith].
type RollbackOptions struct {
	// Description is what `helm history` shows; default "Rollback to N". At most 256 characters.
	Description string
	HookTimeout time.Duration
}

// Rollback applies an earlier revision again, as a new revision, and runs the rollback hooks; 0 is the revision
// before the last. It does not wait for readiness. Fields that someone else has set since are taken over: going back
// must not fail because a Deployment was scaled by hand.
func (c *Client) Rollback(ctx context.Context, release string, toRevision int) (*Release, error) {
	return c.RollbackWith(ctx, release, toRevision, RollbackOptions{})
}

// RollbackWith is Rollback with options.
func (c *Client) RollbackWith(ctx context.Context, release string, toRevision int, opts RollbackOptions) (*Release, error) {
	const doing = "rolling back"
	cfg, err := c.configure(ctx)
	if err != nil {
		return nil, err
	}
	revisions, err := c.revisions(cfg, release)
	if err != nil {
		return nil, c.explain(ctx, doing, release, err)
	}
	last := revisions[len(revisions)-1]
	if Status(last.Info.Status).Pending() {
		return nil, c.pending(last)
	}
	if toRevision == 0 {
		toRevision = last.Version - 1
	}
	var target *helmrelease.Release
	kept := make([]int, 0, len(revisions))
	for _, r := range revisions {
		kept = append(kept, r.Version)
		if r.Version == toRevision {
			target = r
		}
	}
	if target == nil {
		return nil, &RevisionError{Release: release, Namespace: c.namespace, Revision: toRevision, Kept: kept}
	}
	rollback := action.NewRollback(cfg)
	rollback.Version = toRevision
	rollback.WaitStrategy, rollback.WaitOptions = kube.HookOnlyStrategy, []kube.WaitOption{kube.WithWaitContext(ctx)}
	rollback.Timeout = opts.HookTimeout
	if rollback.Timeout == 0 {
		rollback.Timeout = defaultTimeout
	}
	rollback.MaxHistory = maxHistory
	rollback.Description = opts.Description
	rollback.ForceConflicts = serverSide(target)
	if err := rollback.Run(release); err != nil {
		return nil, c.failed(ctx, cfg, doing, release, last.Version+1, err)
	}
	return c.Get(ctx, release)
}

// UninstallOptions of [Client.UninstallWith].
type UninstallOptions struct {
	// Wait until the release's objects and their pods are gone.
	Wait bool
	// Timeout bounds the wait and each hook; default 5m.
	Timeout time.Duration
	// NoHooks leaves the chart's delete hooks out: a broken hook must not keep a candidate alive.
	NoHooks bool
}

// Uninstall removes a release, its objects and its history, and runs its hooks. It returns as soon as the objects
// are marked for deletion. A release that is not there is no error, and one that is pending is removed as well.
func (c *Client) Uninstall(ctx context.Context, release string) error {
	return c.UninstallWith(ctx, release, UninstallOptions{})
}

// UninstallWith is Uninstall with options.
func (c *Client) UninstallWith(ctx context.Context, release string, opts UninstallOptions) error {
	const doing = "uninstalling"
	cfg, err := c.configure(ctx)
	if err != nil {
		return err
	}
	// Helm's own "ignore not found" ignores every error of this look-up, a refusal as well.
	if _, err := c.revisions(cfg, release); errors.Is(err, driver.ErrReleaseNotFound) {
		return nil
	} else if err != nil {
		return c.explain(ctx, doing, release, err)
	}
	uninstall := action.NewUninstall(cfg)
	uninstall.DisableHooks = opts.NoHooks
	uninstall.WaitStrategy, uninstall.WaitOptions = kube.HookOnlyStrategy, []kube.WaitOption{kube.WithWaitContext(ctx)}
	uninstall.Timeout = opts.Timeout
	if uninstall.Timeout == 0 {
		uninstall.Timeout = defaultTimeout
	}
	if opts.Wait {
		// Deleted in the foreground a Deployment stays until its pods are gone, so that waiting means something. Helm's
		// watcher was seen to give up within two seconds on a Deployment that was still going, so it is polled.
		uninstall.WaitStrategy = kube.LegacyStrategy
		uninstall.DeletionPropagation = "foreground"
	}
	removed, err := uninstall.Run(release)
	if err != nil {
		if client, ok := cfg.KubeClient.(*kubeClient); ok {
			if cause := client.deleteErrors(); cause != nil {
				err = fmt.Errorf("%w: %w", err, cause)
			}
		}
		return c.explain(ctx, doing, release, err)
	}
	if removed == nil || !strings.Contains(removed.Info, "not deleted because") {
		return nil
	}
	// Helm leaves objects alone that have come to belong to another release, and says no more about it; those whose
	// owner it could not read it leaves as well, and forgets them.
	if strings.Contains(removed.Info, "could not be verified") {
		return &RemainsError{Release: release, Namespace: c.namespace, Objects: []string{"some of its objects"},
			Err: errors.New(strings.Join(strings.Fields(removed.Info), " "))}
	}
	c.log.WarnContext(ctx, "uninstalled", slog.String("release", release), slog.String("left", removed.Info))
	return nil
}

// last gives the last stored revision; nil when there is none.
func (c *Client) last(cfg *action.Configuration, release string) (*helmrelease.Release, error) {
	revisions, err := c.revisions(cfg, release)
	switch {
	case errors.Is(err, driver.ErrReleaseNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	default:
		return revisions[len(revisions)-1], nil
	}
}

func serverSide(r *helmrelease.Release) bool {
	return r.ApplyMethod == string(helmrelease.ApplyMethodServerSideApply)
}

// failed explains why an operation that may have begun to write did not succeed, and sees to it that the revision
// which the operation made is not left pending: Helm leaves it so when a rollback's hook fails, for one.
func (c *Client) failed(ctx context.Context, cfg *action.Configuration, doing, release string, revision int, cause error) error {
	last, err := c.last(cfg, release)
	if err == nil && last != nil && Status(last.Info.Status).Pending() {
		if last.Version == revision && errors.Is(cause, driver.ErrReleaseExists) {
			return c.pending(last) // someone else made this revision at the same moment
		}
		if last.Version == revision {
			err = c.settle(cfg, release, cause.Error())
		}
	}
	if err != nil {
		c.log.WarnContext(ctx, "the release's revision may be left pending", slog.String("release", release), slog.Any("error", err))
	}
	return c.explain(ctx, doing, release, cause)
}

func (c *Client) pending(r *helmrelease.Release) error {
	return &PendingError{Release: r.Name, Namespace: c.namespace, Revision: r.Version,
		Status: Status(r.Info.Status), Since: r.Info.LastDeployed.UTC()}
}

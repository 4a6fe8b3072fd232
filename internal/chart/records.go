package chart

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"helm.sh/helm/v4/pkg/action"
	ri "helm.sh/helm/v4/pkg/release"
	helmstatus "helm.sh/helm/v4/pkg/release/common"
	helmrelease "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
)

// Status of a release's revision, in Helm's words.
type Status string

// The statuses. At rest a release's last revision is deployed, failed or (history kept) uninstalled.
const (
	Deployed        Status = "deployed"
	Failed          Status = "failed"
	Superseded      Status = "superseded"
	Uninstalled     Status = "uninstalled"
	Uninstalling    Status = "uninstalling"
	PendingInstall  Status = "pending-install"
	PendingUpgrade  Status = "pending-upgrade"
	PendingRollback Status = "pending-rollback"
)

// Pending says that an operation is under way, or that its process died in the middle.
func (s Status) Pending() bool {
	return s == PendingInstall || s == PendingUpgrade || s == PendingRollback
}

// Release is one revision of a Helm release.
type Release struct {
	Name      string
	Namespace string
	Revision  int
	Status    Status
	// Chart, ChartVersion and AppVersion are what was installed.
	Chart, ChartVersion, AppVersion string
	// Labels are those given at installation, without Helm's own.
	Labels      map[string]string
	Description string
	// Values are those given at installation, without the chart's defaults.
	Values map[string]any
	// Manifest is the YAML that was applied.
	Manifest string
	// Updated is when the revision was made (UTC).
	Updated time.Time
	// ServerSide says that it was applied server-side; releases made by Helm 3 were not.
	ServerSide bool
}

// Get gives the last revision of a release, whatever its status. The error is [ErrNotFound] when there is none.
func (c *Client) Get(ctx context.Context, release string) (*Release, error) {
	all, err := c.History(ctx, release)
	if err != nil {
		return nil, err
	}
	return &all[len(all)-1], nil
}

// History gives the kept revisions of a release, oldest first. The error is [ErrNotFound] when there is none.
func (c *Client) History(ctx context.Context, release string) ([]Release, error) {
	cfg, err := c.configure(ctx)
	if err != nil {
		return nil, err
	}
	revisions, err := c.revisions(cfg, release)
	if err != nil {
		return nil, c.explain(ctx, "reading", release, err)
	}
	all := make([]Release, 0, len(revisions))
	for _, r := range revisions {
		all = append(all, describeRelease(r))
	}
	return all, nil
}

// List gives the last revision of each release in the namespace, by name.
func (c *Client) List(ctx context.Context) ([]Release, error) {
	cfg, err := c.configure(ctx)
	if err != nil {
		return nil, err
	}
	stored, err := cfg.Releases.ListReleases()
	if err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, c.explain(ctx, "listing", "", err)
	}
	last := map[string]*helmrelease.Release{}
	for _, s := range stored {
		if r, ok := s.(*helmrelease.Release); ok && (last[r.Name] == nil || last[r.Name].Version < r.Version) {
			last[r.Name] = r
		}
	}
	all := make([]Release, 0, len(last))
	for _, name := range slices.Sorted(maps.Keys(last)) {
		all = append(all, describeRelease(last[name]))
	}
	return all, nil
}

// Unlock marks a release's pending revision as failed, so that it can be upgraded, rolled back or uninstalled again.
// It is for a release whose process is known to be dead; what that process had applied stays applied. A release that
// is not pending is left alone; the error is [ErrNotFound] when there is none.
func (c *Client) Unlock(ctx context.Context, release string) error {
	cfg, err := c.configure(ctx)
	if err != nil {
		return err
	}
	if err := c.settle(cfg, release, "its process ended without finishing it"); err != nil {
		return c.explain(ctx, "unlocking", release, err)
	}
	return nil
}

// settle marks a pending last revision as failed.
func (c *Client) settle(cfg *action.Configuration, release, why string) error {
	revisions, err := c.revisions(cfg, release)
	if err != nil {
		return err
	}
	last := revisions[len(revisions)-1]
	was := last.Info.Status
	if !was.IsPending() {
		return nil
	}
	last.SetStatus(helmstatus.StatusFailed, fmt.Sprintf("marked failed by slipway: it was %s since %s; %s",
		was, last.Info.LastDeployed.UTC().Format(time.RFC3339), why))
	return cfg.Releases.Update(last)
}

// revisions gives what is stored of a release, oldest first; ErrReleaseNotFound when nothing is.
func (c *Client) revisions(cfg *action.Configuration, release string) ([]*helmrelease.Release, error) {
	stored, err := cfg.Releases.History(release)
	if err != nil {
		return nil, err
	}
	var all []*helmrelease.Release
	for _, s := range stored {
		if r, ok := s.(*helmrelease.Release); ok && r.Info != nil {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return nil, driver.ErrReleaseNotFound
	}
	slices.SortFunc(all, func(a, b *helmrelease.Release) int { return cmp.Compare(a.Version, b.Version) })
	return all, nil
}

func describeReleaser(r ri.Releaser) *Release {
	if stored, ok := r.(*helmrelease.Release); ok && stored != nil && stored.Info != nil {
		described := describeRelease(stored)
		return &described
	}
	return nil
}

func describeRelease(r *helmrelease.Release) Release {
	described := Release{
		Name: r.Name, Namespace: r.Namespace, Revision: r.Version, Status: Status(r.Info.Status),
		Description: r.Info.Description, Values: r.Config, Manifest: r.Manifest, Updated: r.Info.LastDeployed.UTC(),
		ServerSide: r.ApplyMethod == string(helmrelease.ApplyMethodServerSideApply), Labels: maps.Clone(r.Labels),
	}
	for _, system := range driver.GetSystemLabels() {
		delete(described.Labels, system)
	}
	if r.Chart != nil && r.Chart.Metadata != nil {
		described.Chart, described.ChartVersion = r.Chart.Metadata.Name, r.Chart.Metadata.Version
		described.AppVersion = r.Chart.Metadata.AppVersion
	}
	return described
}

package chart

import (
	"testing"
	"time"

	helmstatus "helm.sh/helm/v4/pkg/release/common"
)

func loadPlain(t *testing.T) *Chart {
	t.Helper()
	ch, err := Load("testdata/plain")
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// leavePending stores what a process leaves that is killed in the middle of an upgrade.
func leavePending(t *testing.T, client *Client, release string) {
	t.Helper()
	cfg, err := client.configure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last, err := client.last(cfg, release)
	if err != nil {
		t.Fatal(err)
	}
	next, info := *last, *last.Info
	next.Info, next.Version = &info, last.Version+1
	next.Info.Status, next.Info.LastDeployed = helmstatus.StatusPendingUpgrade, time.Now().Add(-time.Hour)
	if err := cfg.Releases.Create(&next); err != nil {
		t.Fatal(err)
	}
}

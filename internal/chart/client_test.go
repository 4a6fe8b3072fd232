package chart

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	kubefake "helm.sh/helm/v4/pkg/kube/fake"
	helmstatus "helm.sh/helm/v4/pkg/release/common"
	"helm.sh/helm/v4/pkg/storage"
	"helm.sh/helm/v4/pkg/storage/driver"
	"k8s.io/client-go/rest"
)

// offline is a client whose releases are kept in memory and whose cluster takes everything. What a real API server
// does with releases is in live_test.go.
func offline(t *testing.T) *Client {
	t.Helper()
	client, err := New(&rest.Config{Host: "https://127.0.0.1:1"}, "shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	records := driver.NewMemory()
	records.SetNamespace("shop")
	client.configure = func(context.Context) (*action.Configuration, error) {
		cfg := action.NewConfiguration()
		cfg.Releases = storage.Init(records)
		cfg.KubeClient = &kubefake.PrintingKubeClient{Out: io.Discard}
		cfg.Capabilities = common.DefaultCapabilities
		return cfg, nil
	}
	return client
}

func TestReleaseGoesThroughItsLife(t *testing.T) {
	client, ctx := offline(t), t.Context()
	opts := InstallOptions{Release: "web", Chart: loadPlain(t), Values: map[string]any{"replicas": 2}, Description: "by the test"}
	first, err := client.Apply(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	if first.Revision != 1 || first.Status != Deployed || first.Chart != "plain" || first.Description != "by the test" {
		t.Errorf("installed %+v", first)
	}
	var exists *ExistsError
	if _, err := client.Install(ctx, opts); !errors.As(err, &exists) {
		t.Errorf("installing again gave %v", err)
	}
	opts.Values = nil
	second, err := client.Upgrade(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(second.Values) != 0 {
		t.Errorf("values of the first revision were kept: %v", second.Values)
	}
	third, err := client.RollbackWith(ctx, "web", 0, RollbackOptions{Description: "took it back"})
	if err != nil {
		t.Fatal(err)
	}
	if third.Revision != 3 || third.Description != "took it back" || third.Values["replicas"] == nil {
		t.Errorf("rolled back to %+v", third)
	}
	all, err := client.List(ctx)
	if err != nil || len(all) != 1 || all[0].Revision != 3 {
		t.Errorf("list is %v, %v", all, err)
	}
	for range 2 {
		if err := client.Uninstall(ctx, "web"); err != nil {
			t.Error(err)
		}
	}
	if _, err := client.Get(ctx, "web"); !errors.Is(err, ErrNotFound) {
		t.Errorf("after the uninstall: %v", err)
	}
	if _, err := client.Upgrade(ctx, opts); !errors.Is(err, ErrNotFound) {
		t.Errorf("an upgrade of nothing gave %v", err)
	}
	if all, err := client.List(ctx); err != nil || len(all) != 0 {
		t.Errorf("list is %v, %v", all, err)
	}
}

func TestPendingReleaseIsLeftAloneUntilItIsUnlocked(t *testing.T) {
	client, ctx := offline(t), t.Context()
	opts := InstallOptions{Release: "web", Chart: loadPlain(t)}
	if _, err := client.Install(ctx, opts); err != nil {
		t.Fatal(err)
	}
	leavePending(t, client, "web")
	_, installing := client.Install(ctx, opts)
	_, upgrading := client.Upgrade(ctx, opts)
	_, back := client.Rollback(ctx, "web", 1)
	for _, err := range []error{installing, upgrading, back} {
		var pending *PendingError
		if !errors.As(err, &pending) || pending.Revision != 2 || time.Since(pending.Since) < 59*time.Minute {
			t.Errorf("got %v", err)
		}
	}
	for range 2 { // the second finds nothing to do
		if err := client.Unlock(ctx, "web"); err != nil {
			t.Fatal(err)
		}
	}
	r, err := client.Get(ctx, "web")
	if err != nil || r.Status != Failed || r.Revision != 2 || !strings.Contains(r.Description, "pending-upgrade") {
		t.Errorf("unlocked it is %+v, %v", r, err)
	}
	if r, err := client.Rollback(ctx, "web", 1); err != nil || r.Status != Deployed {
		t.Errorf("rollback after unlocking: %+v, %v", r, err)
	}
	if err := client.Unlock(ctx, "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unlocking nothing gave %v", err)
	}
}

func TestInstallThatWasKilledCanBeUnlockedAndDoneAgain(t *testing.T) {
	client, ctx := offline(t), t.Context()
	opts := InstallOptions{Release: "web", Chart: loadPlain(t)}
	if _, err := client.Install(ctx, opts); err != nil {
		t.Fatal(err)
	}
	cfg, err := client.configure(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r, err := client.last(cfg, "web")
	if err != nil {
		t.Fatal(err)
	}
	r.SetStatus(helmstatus.StatusPendingInstall, "Initial install underway")
	if err := cfg.Releases.Update(r); err != nil {
		t.Fatal(err)
	}
	var pending *PendingError
	if _, err := client.Apply(ctx, opts); !errors.As(err, &pending) || pending.Status != PendingInstall {
		t.Fatalf("got %v", err)
	}
	if err := client.Unlock(ctx, "web"); err != nil {
		t.Fatal(err)
	}
	if r, err := client.Apply(ctx, opts); err != nil || r.Revision != 2 || r.Status != Deployed {
		t.Errorf("done again it is %+v, %v", r, err)
	}
}

func TestRollbackToARevisionThatIsNotKeptNamesThoseThatAre(t *testing.T) {
	client := offline(t)
	if _, err := client.Install(t.Context(), InstallOptions{Release: "web", Chart: loadPlain(t)}); err != nil {
		t.Fatal(err)
	}
	var missing *RevisionError
	if _, err := client.Rollback(t.Context(), "web", 9); !errors.As(err, &missing) || len(missing.Kept) != 1 || missing.Kept[0] != 1 {
		t.Errorf("got %v", err)
	}
}

func TestOneChartServesSeveralReleasesAtOnce(t *testing.T) {
	client, ch := offline(t), loadPlain(t)
	done := make(chan error)
	for _, name := range []string{"blue", "green", "red"} {
		go func() {
			_, err := client.Install(context.WithoutCancel(t.Context()), InstallOptions{Release: name, Chart: ch, Values: map[string]any{"app": name}})
			done <- err
		}()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestUnreachableClusterIsNamedBeforeAnythingElse(t *testing.T) {
	client, err := New(&rest.Config{Host: "https://127.0.0.1:1"}, "shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	var dead *UnreachableError
	if _, err := client.Install(t.Context(), InstallOptions{Release: "web", Chart: loadPlain(t)}); !errors.As(err, &dead) || dead.Host != "https://127.0.0.1:1" {
		t.Errorf("got %v", err)
	}
	if err := client.Uninstall(t.Context(), "web"); !errors.As(err, &dead) {
		t.Errorf("uninstalling took silence for absence: %v", err)
	}
}

package proxy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type served map[string][]string

func (s served) ServerResourcesForGroupVersion(gv string) (*metav1.APIResourceList, error) {
	names, ok := s[gv]
	if !ok {
		return nil, errors.New("the server could not find the requested resource")
	}
	var list metav1.APIResourceList
	for _, n := range names {
		list.APIResources = append(list.APIResources, metav1.APIResource{Name: n})
	}
	return &list, nil
}

func TestTheClusterIsReadyWhenEveryKindIsServed(t *testing.T) {
	if err := missing(served(needed)); err != nil {
		t.Errorf("everything is served, yet: %v", err)
	}
}

func TestAMissingKindIsNamed(t *testing.T) {
	partial := served{}
	for gv, names := range needed {
		partial[gv] = names
	}
	partial["gateway.networking.k8s.io/v1"] = []string{"gateways"}
	if err := missing(partial); err == nil || !strings.Contains(err.Error(), "httproutes is not served") {
		t.Errorf("got %v", err)
	}
	delete(partial, "gateway.networking.k8s.io/v1")
	if err := missing(partial); err == nil || !strings.Contains(err.Error(), "gateway.networking.k8s.io/v1") {
		t.Errorf("got %v", err)
	}
}

func TestABadKubeconfigIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if _, err := LoadKubeconfig(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("absent file: %v", err)
	}
	if err := os.WriteFile(path, []byte("apiVersion: v1\nkind: Config\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKubeconfig(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("file without a cluster: %v", err)
	}
}

func TestAnOutageEndsWhenTheServerAnswersAgainAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := &clusterProviders{down: func(context.Context) bool {
			since := time.Since(start)
			return since > 10*time.Second && since < 40*time.Second
		}}
		c.waitForOutageToEnd(t.Context())
		if took := time.Since(start); took < 40*time.Second || took > 40*time.Second+probeEvery {
			t.Errorf("returned after %v; the outage ended after 40s", took)
		}
	})
}

func TestWithoutAnOutageTheProvidersAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		c := &clusterProviders{down: func(context.Context) bool { return false }}
		c.waitForOutageToEnd(ctx)
		if ctx.Err() == nil {
			t.Error("returned although the server was never away")
		}
	})
}

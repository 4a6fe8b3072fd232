package target

import (
	"errors"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/config"
)

func TestAnIdentityIsLookedForOnlyWhereARegistryTakesOne(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	half := func(name string) string { // a workload identity that is set up by half
		return map[string]string{"AZURE_TOKEN_CREDENTIALS": "nonsense"}[name]
	}
	for _, c := range []struct {
		what, host string
		azure      config.Azure
		getenv     func(string) string
		anonymous  bool
	}{
		{"a registry of somebody else", "registry.example.org", config.Azure{}, half, true},
		{"one of Azure, with a broken identity", "acme.azurecr.io", config.Azure{}, half, false},
		{"one that the configuration names", "10.0.0.1:5000", config.Azure{Registries: []string{"10.0.0.1:5000"}}, half, false},
		{"one of another cloud", "acme.azurecr.us", config.Azure{}, half, true},
	} {
		keychain, _, err := RegistryAccess(c.azure, c.getenv)
		if err != nil {
			t.Fatal(err)
		}
		host, err := name.NewRegistry(c.host)
		if err != nil {
			t.Fatal(err)
		}
		got, err := keychain.Resolve(host)
		var setup *azure.SetupError
		if c.anonymous && (err != nil || got != authn.Anonymous) || !c.anonymous && !errors.As(err, &setup) {
			t.Errorf("%s: %v, %v", c.what, got, err)
		}
	}
}

func TestTheVaultOfAnotherCloudIsRefused(t *testing.T) {
	cfg, err := config.Parse("slipway.yaml", []byte(`apiVersion: slipway.dev/v1
service: svc
registry: 127.0.0.1:5080
build: { chart: chart }
environments:
  dev1: { vault: "https://x.vault.azure.cn", namespace: a, host: b, strategy: { rolling: {} } }
  dev2: { namespace: a, host: b, strategy: { rolling: {} } }
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	var wrong *VaultError
	if _, err := OpenVault(cfg, "dev1", func(string) string { return "" }); !errors.As(err, &wrong) {
		t.Errorf("opened it: %v", err)
	}
	if _, err := OpenVault(cfg, "dev2", func(string) string { return "" }); !errors.Is(err, ErrNoVault) {
		t.Errorf("opened none: %v", err)
	}
}

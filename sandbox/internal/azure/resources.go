package azure

import (
	"fmt"
	neturl "net/url"
	"os"
	"strings"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/acr"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/arm"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/keyvault"
)

// setUpResources makes what Resource Manager knows besides telemetry: an AKS
// cluster, if there is a kubeconfig for it, and a container registry.
func (a *Azure) setUpResources() error {
	c := a.config
	o := arm.Options{Subscription: c.Subscription, Verifier: a.entra.Verifier()}
	if o.Subscription == "" {
		o.Subscription = "none"
	}
	if c.Kubeconfig != "" {
		raw, err := os.ReadFile(c.Kubeconfig)
		if err != nil {
			return fmt.Errorf("read the kubeconfig that users of the AKS cluster get: %w", err)
		}
		o.Clusters = []arm.Cluster{{Group: c.Group, Name: c.Cluster, Kubeconfig: raw, Users: []string{c.ObjectID}}}
	}
	var err error
	if a.clusters, err = arm.New(o); err != nil {
		return err
	}
	if c.Registry == "" || c.Listen.Registry == "" {
		return nil
	}
	behind, err := neturl.Parse(c.Registry)
	if err != nil {
		return fmt.Errorf("the registry %q: %w", c.Registry, err)
	}
	a.registry, err = acr.New(acr.Options{
		Host: c.Listen.Registry, Verifier: a.entra.Verifier(), Registry: acr.Behind(behind), Dir: c.path("registry"),
		Roles: map[string][]acr.Role{c.ObjectID: {acr.Pull, acr.Push, acr.Delete}},
	})
	return err
}

// seed puts the configured variables into the vault. What a person has changed or deleted since stays so.
func (a *Azure) seed() error {
	for _, v := range a.config.Variables {
		value := v.Value
		if v.File != "" {
			raw, err := os.ReadFile(v.File)
			if err != nil {
				return fmt.Errorf("read the variable %s: %w", v.Name, err)
			}
			value = strings.TrimSuffix(string(raw), "\n")
		}
		if err := a.vault.Seed(v.Name, value, keyvault.Attributes{ContentType: v.ContentType, Tags: v.Tags}); err != nil {
			return fmt.Errorf("put the variable %s into the vault: %w", v.Name, err)
		}
	}
	return nil
}

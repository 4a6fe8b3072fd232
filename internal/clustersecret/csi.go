package clustersecret

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

var (
	storeAPI        = schema.GroupVersion{Group: "secrets-store.csi.x-k8s.io", Version: "v1"}
	providerClasses = storeAPI.WithResource("secretproviderclasses")
)

// CSI has the Secrets Store CSI driver, with its Azure provider, fetch what a pod mounts. The Secret of the same name comes
// with the first pod that mounts it and goes with the last.
type CSI struct {
	Cluster
	// ClientID and Tenant are those of the identity that is federated with the pods' service account.
	ClientID, Tenant string
	// Vault is the Key Vault's name, Cloud that of its cloud as [azure.NewCloud] takes it; "" is what the provider is set up for.
	Vault, Cloud string
}

// By is what a Secret's name tells of who fetches it.
func (c CSI) By() string {
	return fmt.Sprintf("csi %s %s %s %s", c.Cloud, c.Vault, c.Tenant, c.ClientID)
}

// Check refuses a cluster without the driver's definitions.
func (c CSI) Check(ctx context.Context) error {
	ok, err := c.served(ctx, providerClasses)
	if err != nil || ok {
		return err
	}
	return &NotServedError{What: "the Secrets Store CSI driver", Kind: "secretproviderclasses.secrets-store.csi.x-k8s.io/v1", Advice: []string{
		"az aks enable-addons --addons azure-keyvault-secrets-provider --resource-group … --name … installs it",
		"or leave secretsBy out: then Slipway brings the secrets",
	}}
}

// Wait returns at once: a pod's mount is what fetches, so the wait for pods is the wait for secrets.
func (CSI) Wait(context.Context, []string, time.Duration) error { return nil }

// providerClouds are the clouds' names in Azure's Go libraries, which the provider takes; public is its default.
var providerClouds = map[string]string{"usGovernment": "AzureUSGovernmentCloud", "china": "AzureChinaCloud"}

// object is one thing to fetch, in the provider's YAML.
type object struct {
	Name    string `json:"objectName"`
	Type    string `json:"objectType"`
	Version string `json:"objectVersion"`
	Alias   string `json:"objectAlias"` // the file's name
}

// Apply makes the SecretProviderClass of a Secret. Its files are named as the Secret's keys.
func (c CSI) Apply(ctx context.Context, s Secret, dry bool) error {
	var objects struct {
		Array []string `json:"array"`
	}
	var data []any
	for _, key := range s.keys() {
		v := s.Keys[key]
		text, err := yaml.Marshal(object{Name: v.Name, Type: "secret", Version: v.Version, Alias: key})
		if err != nil {
			return fmt.Errorf("writing what the CSI driver shall fetch for %s: %w", s.Name, err)
		}
		objects.Array = append(objects.Array, string(text))
		data = append(data, map[string]any{"key": key, "objectName": key})
	}
	list, err := yaml.Marshal(objects)
	if err != nil {
		return fmt.Errorf("writing what the CSI driver shall fetch for %s: %w", s.Name, err)
	}
	labels := map[string]any{}
	for k, v := range s.labels() {
		labels[k] = v
	}
	parameters := map[string]any{"keyvaultName": c.Vault, "tenantId": c.Tenant, "clientID": c.ClientID, "usePodIdentity": "false", "objects": string(list)}
	if name := providerClouds[c.Cloud]; name != "" {
		parameters["cloudName"] = name
	}
	return c.apply(ctx, providerClasses, c.new(storeAPI, "SecretProviderClass", s, map[string]any{
		"provider":      "azure",
		"parameters":    parameters,
		"secretObjects": []any{map[string]any{"secretName": s.Name, "type": "Opaque", "labels": labels, "data": data}},
	}), dry)
}

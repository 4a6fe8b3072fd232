package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// SecretsBy says who brings the values of an environment's secrets from its Key Vault into the cluster; at most one is set.
// The zero value is Slipway itself. With the others the values never pass Slipway: it reads names and versions only.
type SecretsBy struct {
	CSI             *CSI             `yaml:"csi,omitempty" json:"csi,omitempty"`
	ExternalSecrets *ExternalSecrets `yaml:"externalSecrets,omitempty" json:"externalSecrets,omitempty"`
}

// InCluster says whether the cluster fetches the values itself.
func (s SecretsBy) InCluster() bool { return s.CSI != nil || s.ExternalSecrets != nil }

// CSI is the Secrets Store CSI driver with its Azure provider: what a pod mounts is fetched when it starts, as the identity
// that is federated with the pod's service account.
type CSI struct {
	// ClientID is the client id (a GUID) of that identity.
	ClientID string `yaml:"clientID" json:"clientID"`
	// Tenant is the id of its Entra tenant; default: that of azure.
	Tenant string `yaml:"tenant,omitempty" json:"tenant,omitempty"`
}

// ExternalSecrets is the External Secrets operator, which fetches through a store that is in the cluster already.
type ExternalSecrets struct {
	// Store is the store's name.
	Store string `yaml:"store" json:"store"`
	// Kind is "SecretStore" (default), which is in the environment's namespace, or "ClusterSecretStore".
	Kind string `yaml:"kind,omitempty" json:"kind,omitempty"`
}

// The kinds of stores of External Secrets.
const (
	SecretStore        = "SecretStore"
	ClusterSecretStore = "ClusterSecretStore"
)

var storeKinds = []string{SecretStore, ClusterSecretStore}

// withDefaults is a copy with every default filled in; tenant is that of azure.
func (s SecretsBy) withDefaults(tenant string) SecretsBy {
	if s.CSI != nil {
		csi := *s.CSI
		if csi.Tenant == "" {
			csi.Tenant = tenant
		}
		s.CSI = &csi
	}
	if s.ExternalSecrets != nil {
		external := *s.ExternalSecrets
		if external.Kind == "" {
			external.Kind = SecretStore
		}
		s.ExternalSecrets = &external
	}
	return s
}

// vaultName is what Azure takes as the name of a Key Vault.
var vaultName = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]{1,22}[a-zA-Z0-9]$`)

// Name of a Key Vault, which its URL begins with; "" where that is no Key Vault's name.
func (v Vault) Name() string {
	u, err := url.Parse(v.URL)
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(u.Hostname(), ".")
	if !vaultName.MatchString(name) {
		return ""
	}
	return name
}

// checkSecretsBy checks who fetches secrets; c is asked for the tenant that all environments share.
func (d *document) checkSecretsBy(c *Config, path string, e Environment) {
	at := path + ".secretsBy"
	if !d.set(at) {
		return
	}
	d.exactlyOne(at, []string{"csi", "externalSecrets"})
	if e.Vault.File != "" {
		d.fail(at, "%s says that the cluster fetches the secrets, but it cannot read a file: name a Key Vault in %s.vault, or leave %s out", at, path, at)
		return
	}
	if e.SecretsBy.CSI != nil {
		d.checkCSI(c, path, e)
	}
	if s := e.SecretsBy.ExternalSecrets; s != nil {
		if sub := at + ".externalSecrets.store"; d.set(sub) && (len(s.Store) > 253 || !subdomain.MatchString(s.Store)) {
			d.fail(sub, "%s is %q, but must be the name of a store in the cluster: %s", sub, s.Store, labelRule)
		}
		if sub := at + ".externalSecrets.kind"; d.set(sub) && !slices.Contains(storeKinds, s.Kind) {
			d.fail(sub, "%s is %q%s", sub, s.Kind, didYouMean(s.Kind, storeKinds, "kinds of stores"))
		}
	}
}

func (d *document) checkCSI(c *Config, path string, e Environment) {
	at := path + ".secretsBy.csi"
	if sub := at + ".clientID"; d.set(sub) && !guid.MatchString(e.SecretsBy.CSI.ClientID) {
		d.fail(sub, "%s is %q, but the client id of an identity is a GUID: az identity show --query clientId", sub, e.SecretsBy.CSI.ClientID)
	}
	if sub := at + ".tenant"; d.set(sub) && !guid.MatchString(e.SecretsBy.CSI.Tenant) {
		d.fail(sub, "%s is %q, but a tenant's id is a GUID", sub, e.SecretsBy.CSI.Tenant)
	} else if !d.set(sub) && c.azureOf(e).Tenant == "" {
		d.fail(at, "%s needs the id of the identity's tenant, which the cluster cannot guess: add %s, or azure.tenant", at, sub)
	}
	if url := path + ".vault"; d.set(url) && e.Vault.URL != "" && e.Vault.Name() == "" {
		d.fail(url, "%s is %q, but the CSI driver knows a Key Vault by its name: write https://NAME.vault.azure.net, with 3 to 24 letters, digits and dashes", url, e.Vault.URL)
	}
	for _, logical := range sortedKeys(e.Secrets) {
		for _, key := range sortedKeys(e.Secrets[logical]) {
			if sub := path + ".secrets." + logical + "." + key; strings.Contains(key, "..") {
				d.problem(d.place(sub), sub, "%q cannot be the name of a file for the CSI driver, which takes none with two dots in a row", key)
			}
		}
	}
}

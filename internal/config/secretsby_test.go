package config

import (
	"errors"
	"strings"
	"testing"
)

const fetched = `apiVersion: slipway.dev/v1
service: calculator
registry: 127.0.0.1:5080
build: { chart: chart }
azure: { tenant: 00000000-0000-4000-8000-000000000010 }
environments:
  csi:
    vault: https://dev1-vault.vault.azure.net
    namespace: a
    host: a.test
    strategy: { rolling: {} }
    secrets: { redis: { host: redis-host } }
    secretsBy: { csi: { clientID: "${vault:identity}" } }
  external:
    vault: https://dev1-vault.vault.azure.net
    namespace: b
    host: b.test
    strategy: { rolling: {} }
    secrets: { redis: { host: redis-host } }
    secretsBy: { externalSecrets: { store: team-vault } }
  own:
    vault: https://dev1-vault.vault.azure.net
    namespace: c
    host: c.test
    strategy: { rolling: {} }
    secrets: { redis: { host: redis-host } }
`

func TestWhoFetchesSecretsHasDefaults(t *testing.T) {
	c, err := Parse("slipway.yaml", []byte(fetched), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err = c.Resolve("csi", func(VaultRef) (string, error) { return "00000000-0000-4000-8000-000000000050", nil })
	if err != nil {
		t.Fatal(err)
	}
	csi, _ := c.Environment("csi")
	if by := csi.SecretsBy; !by.InCluster() || by.CSI.ClientID != "00000000-0000-4000-8000-000000000050" || by.CSI.Tenant != "00000000-0000-4000-8000-000000000010" || csi.Vault.Name() != "dev1-vault" {
		t.Errorf("csi: %+v of the vault %q", by.CSI, csi.Vault.Name())
	}
	external, _ := c.Environment("external")
	if by := external.SecretsBy; !by.InCluster() || *by.ExternalSecrets != (ExternalSecrets{Store: "team-vault", Kind: "SecretStore"}) {
		t.Errorf("external: %+v", by.ExternalSecrets)
	}
	if own, _ := c.Environment("own"); own.SecretsBy.InCluster() {
		t.Error("without secretsBy the cluster should not fetch")
	}
	if c.Environments["csi"].SecretsBy.CSI.Tenant != "" {
		t.Error("filling in defaults changed the configuration")
	}
}

func TestWhoCannotFetchSecretsIsRefusedAtItsPlace(t *testing.T) {
	s := compileSchema(t)
	if err := schemaAccepts(t, s, []byte(fetched)); err != nil {
		t.Fatalf("the example that the cases change: %v", err)
	}
	const csi = `csi: { clientID: "${vault:identity}" }`
	for _, c := range []struct {
		name, old, new, at, says string
		onlyLoader               bool
	}{
		{"of a file", "vault: https://dev1-vault.vault.azure.net\n    namespace: a", "vault: { file: v.yaml }\n    namespace: a", "13:16", "it cannot read a file: name a Key Vault in environments.csi.vault", true},
		{"by two", csi, csi + ", externalSecrets: { store: s }", "13:58", "has both csi and externalSecrets", false},
		{"by nobody", "{ " + csi + " }", "{}", "13:5", "exactly one of csi, externalSecrets", false},
		{"by a word", "{ " + csi + " }", "csi", "13:16", "a mapping", false},
		{"by somebody unknown", "externalSecrets: {", "external-secrets: {", "20:18", `did you mean "externalSecrets"?`, false},
		{"no identity", csi, "csi: { tenant: 00000000-0000-4000-8000-000000000010 }", "13:18", "clientID", false},
		{"an identity by name", `"${vault:identity}"`, "team", "13:35", "az identity show --query clientId", false},
		{"a tenant by name", `"${vault:identity}"`, `"${vault:identity}", tenant: contoso`, "13:64", "a tenant's id is a GUID", false},
		{"no tenant", "azure: { tenant: 00000000-0000-4000-8000-000000000010 }", "azure: { cloud: public }", "13:23", "needs the id of the identity's tenant", true},
		{"a vault without a name", "vault: https://dev1-vault.vault.azure.net\n    namespace: a", "vault: https://10.0.0.1:5094\n    namespace: a", "8:12", "knows a Key Vault by its name", true},
		{"a key that climbs", "{ host: redis-host }", "{ a..b: redis-host }", "12:25", "none with two dots in a row", true},
		{"no store", "store: team-vault", "kind: SecretStore", "20:18", "store", false},
		{"a store with a bad name", "store: team-vault", "store: Team_Vault", "20:44", "must be the name of a store", true},
		{"a kind of store that is none", "store: team-vault", "store: s, kind: Store", "20:53", "the kinds of stores are ClusterSecretStore, SecretStore", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(fetched, c.old, c.new, 1)
			if text == fetched {
				t.Fatal("the case changes nothing")
			}
			_, err := Parse("slipway.yaml", []byte(text), nil)
			var e *Error
			if !errors.As(err, &e) || len(e.Problems) != 1 || place(e.Problems[0]) != c.at || !strings.Contains(err.Error(), c.says) {
				t.Errorf("says %v, want %q at %s alone", err, c.says, c.at)
			}
			if err := schemaAccepts(t, s, []byte(text)); err == nil && !c.onlyLoader {
				t.Error("the schema accepts it")
			}
		})
	}
}

package config

import (
	"errors"
	"strings"
	"testing"
)

const withVault = `apiVersion: slipway.dev/v1
service: calculator
registry: 127.0.0.1:5080
build: { chart: chart }
values:
  redis: { existingSecret: "${secret:redis}" }
environments:
  dev1:
    vault: https://dev1-vault.vault.azure.net
    cluster: { aks: { subscription: "${vault:subscription}", group: "${vault:aks-group}", name: aks } }
    namespace: ${vault:namespace}
    host: www.${vault:domain}
    readyTimeout: ${vault:patience}
    strategy: { rolling: {} }
    secrets: { redis: { host: redis-host, key: redis-key@0123abcd } }
    values: { region: "in ${vault:region} of ${slot}" }
`

var variables = map[string]string{
	"subscription": "00000000-0000-4000-8000-000000000020", "aks-group": "phoenix", "namespace": "phoenix", "domain": "example.org",
	"patience": "90s", "region": "westeurope",
}

func lookUp(r VaultRef) (string, error) {
	if v, ok := variables[r.Name]; ok {
		return v, nil
	}
	return "", errors.New(r.Name + " does not exist")
}

func TestVariablesAreResolvedAndHeldToTheRulesOfWhatIsWrittenOut(t *testing.T) {
	c, err := Parse("slipway.yaml", []byte(withVault), nil)
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, r := range c.VaultRefs("dev1") {
		asked = append(asked, r.String())
	}
	if got, want := strings.Join(asked, " "), "region subscription aks-group namespace domain patience"; !sameWords(got, want) {
		t.Errorf("asks for %s, want %s", got, want)
	}
	resolved, err := c.Resolve("dev1", lookUp)
	if err != nil {
		t.Fatal(err)
	}
	e, err := resolved.Environment("dev1")
	if err != nil {
		t.Fatal(err)
	}
	if e.Namespace != "phoenix" || e.Host != "www.example.org" || e.Endpoint != "http://www.example.org" || e.Cluster.AKS.Group != "phoenix" || e.ReadyTimeout.String() != "1m30s" {
		t.Errorf("resolved: %+v", e)
	}
	if e.Values["region"] != "in ${vault:region} of ${slot}" {
		t.Errorf("chart values are resolved by the release, but are %v", e.Values["region"])
	}
	if refs := e.SecretRefs(); len(refs) != 2 || refs[0].String() != "redis-host" || refs[1].String() != "redis-key@0123abcd" {
		t.Errorf("secrets are %v", refs)
	}
	if c.Environments["dev1"].Namespace != "${vault:namespace}" {
		t.Error("resolving changed the configuration that was resolved")
	}
}

func sameWords(a, b string) bool {
	in := map[string]int{}
	for _, w := range strings.Fields(a) {
		in[w]++
	}
	for _, w := range strings.Fields(b) {
		in[w]--
	}
	for _, n := range in {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestWhatIsWrongWithAVariableIsToldAtItsReference(t *testing.T) {
	c, err := Parse("slipway.yaml", []byte(withVault), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Resolve("dev1", func(r VaultRef) (string, error) {
		switch r.Name {
		case "namespace":
			return "Not_A_Name", nil
		case "domain":
			return "", errors.New("the variable domain is a secret")
		case "patience":
			return "soon", nil
		}
		return lookUp(r)
	})
	if err == nil {
		t.Fatal("bad variables were accepted")
	}
	for _, want := range []string{
		`slipway.yaml:11:16: environments.dev1.namespace is "Not_A_Name"`,
		"slipway.yaml:12:15: ${vault:domain}: the variable domain is a secret",
		"slipway.yaml:13:19: environments.dev1.readyTimeout",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

func TestVariablesWhereTheyCannotStandAreRefused(t *testing.T) {
	for _, c := range []struct{ name, old, new, says string }{
		{"of the vault itself", "vault: https://dev1-vault.vault.azure.net", `vault: "https://${vault:name}.vault.azure.net"`, "needed to reach the vault itself"},
		{"of how Azure is reached", "    strategy: { rolling: {} }", "    strategy: { rolling: {} }\n    azure: { tenant: \"${vault:tenant}\" }", "needed to reach the vault itself"},
		{"in secrets", "host: redis-host", `host: "${vault:redis-host}"`, `write "redis-host" alone`},
		{"with a bad name", "${vault:namespace}", "${vault:phoenix_namespace}", `write "phoenix-namespace"`},
		{"both a secret and seen", "www.${vault:domain}", "${vault:redis-host}", "used as a secret here and stands in environments.dev1.host"},
		{"in the service's values", "values:\n  redis:", "values:\n  x: ${vault:x}\n  redis:", "outside of an environment"},
		{"of a secret that is not there", "${secret:redis}", "${secret:radis}", `did you mean "redis"?`},
		{"secret in a name", "namespace: ${vault:namespace}", "namespace: ${secret:redis}", "only known during a release"},
		{"secrets without a vault", "    vault: https://dev1-vault.vault.azure.net\n", "", "environments.dev1.secrets needs a vault"},
		{"a vault without TLS", "vault: https:", "vault: http:", "must be an https URL"},
		{"a vault that is two", "vault: https://dev1-vault.vault.azure.net", "vault: { url: 'https://a.vault.azure.net', file: v.yaml }", "both a URL and a file"},
		{"aks and a kubeconfig", "cluster: {", "cluster: { kubeconfig: k,", "both aks and a kubeconfig"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(withVault, c.old, c.new, 1)
			if text == withVault {
				t.Fatal("the case changes nothing")
			}
			if _, err := Parse("slipway.yaml", []byte(text), nil); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("says %v, not %q", err, c.says)
			}
		})
	}
}

package cli

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/target"
)

var update = flag.Bool("update", false, "write the golden files")

func TestTheDoctorSaysWhoThisIsAndWhatToAssign(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	who := &azure.Identity{ObjectID: "00000000-0000-4000-8000-000000000051", Tenant: "00000000-0000-4000-8000-000000000010",
		ClientID: "00000000-0000-4000-8000-000000000050", Expires: now.Add(time.Hour)}
	found := "workload identity (client 00000000-0000-4000-8000-000000000050, token file /var/run/secrets/token)"
	for name, d := range map[string]target.Diagnosis{
		"right": {Environment: "prod1", Identity: who, Found: found, Findings: []target.Finding{
			{What: "pull", Object: "acme.azurecr.io", OK: true}, {What: "push", Object: "acme.azurecr.io", OK: true},
			{What: "read the vault", Object: "https://prod1-vault.vault.azure.net", OK: true},
			{What: "reach the cluster", Object: "phoenix/prod1", OK: true}, {What: "release into the namespace", Object: "shop", OK: true},
			{What: "query telemetry", Object: "workspace 00000000-0000-4000-8000-000000000030", OK: true},
		}},
		"wrong": {Environment: "prod1", Identity: who, Found: found, Passed: []string{"Azure Pipelines: SYSTEM_OIDCREQUESTURI is not set"}, Findings: []target.Finding{
			{What: "pull", Object: "acme.azurecr.io", OK: true},
			{What: "push", Object: "acme.azurecr.io", Problem: "the registry does not let this identity push to it", Role: `"AcrPush" on the registry`},
			{What: "read the vault", Object: "https://prod1-vault.vault.azure.net", Problem: "the vault does not let this identity read values", Role: `"Key Vault Secrets User" on the vault`},
			{What: "reach the cluster", Object: "phoenix/prod1", Problem: "not tried, because where it is stands in the vault: 1 of 4 variables cannot be read:\n  - aks-name does not exist"},
		}},
		"unknown": {Environment: "prod1", Found: found, Findings: []target.Finding{
			{What: "get a token from Entra", Object: "https://login.microsoftonline.com", Problem: "no token for the workload identity: AADSTS700213: No matching federated identity record found; add a federated credential with exactly this issuer, subject and audience to the identity"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := printDiagnoses(&b, []target.Diagnosis{d}, now); err != nil {
				t.Fatal(err)
			}
			path := "testdata/doctor/" + name + ".golden"
			if *update {
				if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(b.Bytes(), want) {
				t.Errorf("%v; got\n%s\nwant\n%s", err, b.Bytes(), want)
			}
			if d.OK() != (name == "right") {
				t.Errorf("all right is %v", d.OK())
			}
		})
	}
}

package azure

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/containers/azcontainerregistry"
	"github.com/Azure/azure-sdk-for-go/sdk/monitor/query/azlogs"

	_ "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/runtime" // puts Azure Resource Manager into the SDK's clouds
)

func TestOurCloudsAreTheSDKs(t *testing.T) {
	for name, sdk := range map[string]cloud.Configuration{"public": cloud.AzurePublic, "usGovernment": cloud.AzureGovernment, "china": cloud.AzureChina} {
		ours, err := NewCloud(name, Endpoints{})
		if err != nil {
			t.Fatal(err)
		}
		got := ours.Configuration()
		if got.ActiveDirectoryAuthorityHost+"/" != sdk.ActiveDirectoryAuthorityHost {
			t.Errorf("%s: the authority is %s, the SDK's %s", name, got.ActiveDirectoryAuthorityHost, sdk.ActiveDirectoryAuthorityHost)
		}
		for _, service := range []cloud.ServiceName{cloud.ResourceManager, azlogs.ServiceName, azcontainerregistry.ServiceName} {
			if got.Services[service] != sdk.Services[service] {
				t.Errorf("%s: %s is %+v, the SDK's %+v", name, service, got.Services[service], sdk.Services[service])
			}
		}
	}
}

func TestAnEndpointIsReplacedAndItsAudienceStays(t *testing.T) {
	c, err := NewCloud("", Endpoints{Logs: "https://127.0.0.1:5092/v1/"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Logs != (Service{"https://127.0.0.1:5092/v1", "https://api.loganalytics.io"}) || c.Private || c.Authority != "https://login.microsoftonline.com" {
		t.Errorf("got %+v", c)
	}
	c, err = NewCloud("china", Endpoints{Authority: "https://127.0.0.1:5093"})
	if err != nil || !c.Private || c.Authority != "https://127.0.0.1:5093" || c.VaultAudience != "https://vault.azure.cn" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestACloudThatThereIsNotIsRefused(t *testing.T) {
	for _, c := range []struct {
		name      string
		endpoints Endpoints
		say       string
	}{
		{"germany", Endpoints{}, "public, usGovernment, china"},
		{"", Endpoints{Authority: "http://login.example"}, "azure.endpoints.authority"},
		{"", Endpoints{Management: "management.azure.com"}, "azure.endpoints.management"},
		{"", Endpoints{Logs: "https://user:pass@logs.example"}, "azure.endpoints.logs"},
		{"", Endpoints{Logs: "https://logs.example?x=1"}, "azure.endpoints.logs"},
	} {
		if _, err := NewCloud(c.name, c.endpoints); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestAVaultMustBeOfTheCloud(t *testing.T) {
	public, _ := NewCloud("", Endpoints{})
	private, _ := NewCloud("", Endpoints{Authority: "https://127.0.0.1:5093"})
	for _, c := range []struct {
		cloud     Cloud
		url, want string
		say       string
	}{
		{public, "https://dev1.vault.azure.net", "https://dev1.vault.azure.net", ""},
		{public, "https://DEV1.vault.azure.net/", "https://DEV1.vault.azure.net", ""},
		{private, "https://127.0.0.1:5094", "https://127.0.0.1:5094", ""},
		{public, "http://dev1.vault.azure.net", "", "in the clear"},
		{private, "http://127.0.0.1:5094", "", "in the clear"},
		{public, "https://dev1.vault.azure.cn", "", "in the cloud china, but azure.cloud says public"},
		{public, "https://dev1.vault.usgovcloudapi.net", "", "usGovernment"},
		{public, "https://dev1.vault.azure.net:8443", "", "names a port"},
		{public, "https://dev1.vault.azure.net/secrets/x", "", "must end after the host"},
		{public, "https://evil.example", "", "not below vault.azure.net"},
		{public, "https://evilvault.azure.net", "", "not below vault.azure.net"},
		{public, "https://vault.azure.net.evil.example", "", "not below vault.azure.net"},
		{public, "https://user:pass@dev1.vault.azure.net", "", "no URL"},
		{public, "dev1", "", "https://NAME.vault.azure.net"},
		{public, "", "", "https://NAME.vault.azure.net"},
	} {
		got, err := c.cloud.VaultURL(c.url)
		if got != c.want || (err == nil) != (c.say == "") || err != nil && !strings.Contains(err.Error(), c.say) {
			t.Errorf("%q: %q, %v", c.url, got, err)
		}
	}
}

func TestARegistryIsKnownByItsDomain(t *testing.T) {
	public, _ := NewCloud("", Endpoints{})
	for host, want := range map[string]bool{
		"acme.azurecr.io": true, "ACME.azurecr.io": true, "acme.eastus.data.azurecr.io": true, "azurecr.io": false, "acme.azurecr.cn": false,
		"evilazurecr.io": false, "docker.io": false, "acme.azurecr.io.evil.example": false,
	} {
		if public.IsRegistry(host) != want {
			t.Errorf("%s: %t", host, !want)
		}
	}
}

func TestACAFileMustHoldACertificate(t *testing.T) {
	c, _ := NewCloud("", Endpoints{})
	path := filepath.Join(t.TempDir(), "ca.crt")
	if _, err := c.ClientOptions(path); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "azure.caFile") {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ClientOptions(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file without one: %v", err)
	}
}

func TestACertificateThatIsNotBelievedIsNotTriedAgain(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = quiet()
	srv.StartTLS()
	defer srv.Close()
	c, _ := NewCloud("", Endpoints{})
	options, err := c.ClientOptions("")
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
	_, err = options.Transport.Do(r)
	var final interface{ NonRetriable() }
	if err == nil || !errors.As(err, &final) {
		t.Errorf("got %v", err)
	}
}

// Package azure says where Azure is and who asks: the clouds and their endpoints, and the identity that a process has
// without a password. Its neighbours acr and aks build on it.
package azure

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/containers/azcontainerregistry"
	"github.com/Azure/azure-sdk-for-go/sdk/monitor/query/azlogs"
)

// Service is one service of a cloud.
type Service struct {
	// Endpoint is its base URL.
	Endpoint string
	// Audience is for whom a token must be issued. A replaced endpoint keeps the cloud's audience.
	Audience string
}

// Cloud says where Azure is. Make one with [NewCloud].
type Cloud struct {
	// Name is "public", "usGovernment" or "china".
	Name string
	// Authority is the base URL of Entra.
	Authority string
	// Private says that the authority is not the cloud's own, so that hosts outside of the cloud's domains are believed.
	Private bool
	// Management is Azure Resource Manager; Logs the query API of Log Analytics.
	Management, Logs Service
	// VaultDomain and RegistryDomain are the DNS domains below which vaults and registries live.
	VaultDomain, RegistryDomain string
	// VaultAudience and RegistryAudience are for whom their tokens must be.
	VaultAudience, RegistryAudience string
}

// Endpoints replace single services of a cloud; an empty one is the cloud's own. They are https URLs.
type Endpoints struct {
	Authority, Logs, Management string
}

// clouds are those that Microsoft runs (learn.microsoft.com/azure/developer/identity/authentication and the service lists of
// the national clouds). The registry's audience is the same in all of them.
func clouds() []Cloud {
	return []Cloud{
		{
			Name: "public", Authority: "https://login.microsoftonline.com",
			Management:  Service{"https://management.azure.com", "https://management.core.windows.net/"},
			Logs:        Service{"https://api.loganalytics.io/v1", "https://api.loganalytics.io"},
			VaultDomain: "vault.azure.net", VaultAudience: "https://vault.azure.net",
			RegistryDomain: "azurecr.io", RegistryAudience: registryAudience,
		},
		{
			Name: "usGovernment", Authority: "https://login.microsoftonline.us",
			Management:  Service{"https://management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net/"},
			Logs:        Service{"https://api.loganalytics.us/v1", "https://api.loganalytics.us"},
			VaultDomain: "vault.usgovcloudapi.net", VaultAudience: "https://vault.usgovcloudapi.net",
			RegistryDomain: "azurecr.us", RegistryAudience: registryAudience,
		},
		{
			Name: "china", Authority: "https://login.chinacloudapi.cn",
			Management:  Service{"https://management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn/"},
			Logs:        Service{"https://api.loganalytics.azure.cn/v1", "https://api.loganalytics.azure.cn"},
			VaultDomain: "vault.azure.cn", VaultAudience: "https://vault.azure.cn",
			RegistryDomain: "azurecr.cn", RegistryAudience: registryAudience,
		},
	}
}

const registryAudience = "https://containerregistry.azure.net"

// NewCloud gives the cloud of that name ("" is public), with endpoints replaced.
func NewCloud(name string, e Endpoints) (Cloud, error) {
	if name == "" {
		name = "public"
	}
	var names []string
	for _, c := range clouds() {
		if c.Name == name {
			return c.with(e)
		}
		names = append(names, c.Name)
	}
	return Cloud{}, fmt.Errorf("there is no Azure cloud %q; the clouds are %s, and azure.endpoints replaces single services of one", name, strings.Join(names, ", "))
}

func (c Cloud) with(e Endpoints) (Cloud, error) {
	for _, replace := range []struct {
		what, value string
		at          *string
	}{
		{"authority", e.Authority, &c.Authority}, {"logs", e.Logs, &c.Logs.Endpoint}, {"management", e.Management, &c.Management.Endpoint},
	} {
		if replace.value == "" {
			continue
		}
		u, err := url.Parse(replace.value)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return Cloud{}, fmt.Errorf("azure.endpoints.%s is %q, but must be an https URL such as https://login.example.org: tokens are not sent in the clear", replace.what, replace.value)
		}
		*replace.at = strings.TrimSuffix(replace.value, "/")
	}
	c.Private = e.Authority != ""
	return c, nil
}

// Configuration is the cloud as the Azure SDK takes it.
func (c Cloud) Configuration() cloud.Configuration {
	return cloud.Configuration{
		ActiveDirectoryAuthorityHost: c.Authority,
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager:           {Endpoint: c.Management.Endpoint, Audience: c.Management.Audience},
			azlogs.ServiceName:              {Endpoint: c.Logs.Endpoint, Audience: c.Logs.Audience},
			azcontainerregistry.ServiceName: {Audience: c.RegistryAudience},
		},
	}
}

// ClientOptions are those of every client of this cloud. caFile holds the certificates (PEM) of a private authority, which
// are believed beside the system's; "" for none. Failed requests are tried again as the SDK does it: three times, 0.8 s and
// more apart, a Retry-After of up to a minute heeded; a try that is not answered in 30 s has failed. A token that a service
// does not take any more is replaced within the request, once.
func (c Cloud) ClientOptions(caFile string) (azcore.ClientOptions, error) {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return azcore.ClientOptions{}, errors.New("the process has replaced Go's default HTTP transport")
	}
	transport = transport.Clone() // its proxy settings stay
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	transport.MaxIdleConnsPerHost = 16
	if caFile != "" {
		var err error
		if transport.TLSClientConfig.RootCAs, err = Roots(caFile); err != nil {
			return azcore.ClientOptions{}, err
		}
	}
	return azcore.ClientOptions{
		Cloud:     c.Configuration(),
		Transport: &http.Client{Transport: certain{transport}},
		Telemetry: policy.TelemetryOptions{ApplicationID: "slipway"},

		PerRetryPolicies: []policy.Policy{renewing{}, impatient{tryTimeout}},
	}, nil
}

// Roots are the system's authorities and those of caFile (PEM).
func Roots(caFile string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("reading the system's certificates: %w", err)
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("reading azure.caFile: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("azure.caFile %s holds no certificate in PEM form", caFile)
	}
	return pool, nil
}

// certain keeps the SDK from trying again when a server's certificate is not believed: that does not pass by itself.
type certain struct{ *http.Transport }

func (c certain) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.Transport.RoundTrip(r)
	var unbelieved *tls.CertificateVerificationError
	if errors.As(err, &unbelieved) {
		err = finalError{err}
	}
	return resp, err
}

// finalError is an error that the SDK does not try again after.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }
func (finalError) NonRetriable()   {}

// VaultURL checks the URL of a vault: https, nothing behind the host, and a host of this cloud.
func (c Cloud) VaultURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return "", fmt.Errorf("the vault %q is no URL; write https://NAME.%s", raw, c.VaultDomain)
	case u.Scheme != "https":
		return "", fmt.Errorf("the vault %q is not an https URL: secrets are not read in the clear; write https://%s", raw, u.Host)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("the vault %q must end after the host: write https://%s", raw, u.Host)
	}
	if c.Private || below(u.Hostname(), c.VaultDomain) && u.Port() == "" {
		return "https://" + u.Host, nil
	}
	for _, other := range clouds() {
		if below(u.Hostname(), other.VaultDomain) {
			if other.Name == c.Name {
				return "", fmt.Errorf("the vault %q names a port: write https://%s", raw, u.Hostname())
			}
			return "", fmt.Errorf("the vault %s is in the cloud %s, but azure.cloud says %s: correct one of them", u.Host, other.Name, c.Name)
		}
	}
	return "", fmt.Errorf("the vault %s is not below %s, so no token is sent there; a private cloud is named by azure.endpoints.authority", u.Host, c.VaultDomain)
}

// IsRegistry says whether a registry's host is an Azure Container Registry of this cloud by its name.
func (c Cloud) IsRegistry(host string) bool { return below(host, c.RegistryDomain) }

func below(host, domain string) bool {
	return strings.HasSuffix(strings.ToLower(host), "."+domain)
}

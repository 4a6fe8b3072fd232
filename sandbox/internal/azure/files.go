package azure

import (
	"encoding/json"
	"fmt"
	"os"
)

// Client is what a client of the stand-in needs to know: the file azure.json.
type Client struct {
	// ConnectionString is for telemetry SDKs: plain HTTP, which pods can use
	// without trusting a certificate. ConnectionStringTLS is for SDKs that
	// insist on HTTPS.
	ConnectionString    string `json:"connectionString"`
	ConnectionStringTLS string `json:"connectionStringTLS"`
	// Workspace is the id of the Log Analytics workspace.
	Workspace string `json:"workspace"`
	// Component is the resource id of the Application Insights component.
	Component string `json:"component"`
	// Query, Authority, Vault and ResourceManager are URLs.
	Query           string `json:"queryEndpoint"`
	Authority       string `json:"authorityHost"`
	Vault           string `json:"vault"`
	ResourceManager string `json:"resourceManager,omitempty"`
	// Registry is the host of the container registry.
	Registry string `json:"registry,omitempty"`
	Control  string `json:"control,omitempty"`
	// CA is the file of the authority that signed the certificates.
	CA string `json:"caFile"`
	// Tenant, ClientID and TokenFile log in without a password.
	Tenant    string `json:"tenant"`
	ClientID  string `json:"clientID"`
	TokenFile string `json:"federatedTokenFile"`
}

// Client says what clients need to know.
func (a *Azure) Client() Client {
	c, l := a.config, a.config.Listen
	return Client{
		ConnectionString:    connectionString(c.InstrumentationKey, "http://"+l.Ingest),
		ConnectionStringTLS: connectionString(c.InstrumentationKey, "https://"+l.IngestTLS),
		Workspace:           c.Workspace, Component: c.Component,
		Query: "https://" + l.Query + "/v1", Authority: "https://" + l.Entra + "/",
		Vault: "https://" + l.Vault, ResourceManager: url("https://", l.ARM), Registry: l.Registry, Control: url("http://", l.Control),
		CA: c.CA, Tenant: c.Tenant, ClientID: c.ClientID, TokenFile: a.tokenFile(),
	}
}

func url(scheme, addr string) string {
	if addr == "" {
		return ""
	}
	return scheme + addr
}

// connectionString names only the ingestion endpoint: there is no live metrics.
func connectionString(key, endpoint string) string {
	return "InstrumentationKey=" + key + ";IngestionEndpoint=" + endpoint + "/"
}

func (a *Azure) tokenFile() string { return a.config.path("federated-token") }

// writeClientFiles writes azure.json, connection-string and the federated
// token, each in one step. Whoever finds azure.json finds the others too.
func (a *Azure) writeClientFiles() error {
	if err := a.entra.WriteSubjectToken(a.tokenFile(), a.config.ClientID); err != nil {
		return err
	}
	client := a.Client()
	raw, err := json.MarshalIndent(client, "", "  ")
	if err != nil {
		return fmt.Errorf("write azure.json: %w", err)
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{"connection-string", []byte(client.ConnectionString)}, {"azure.json", append(raw, '\n')}} {
		path := a.config.path(f.name)
		if err := os.WriteFile(path+".new", f.data, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}

// Package azure is one process that stands in for the parts of Azure that
// Slipway and the services it releases talk to: Application Insights and Log
// Analytics, Entra ID, Key Vault and Azure Resource Manager. Each is a package
// of its own; this one gives them addresses, certificates and each other.
package azure

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Config is the process's configuration file, in JSON.
type Config struct {
	// Dir keeps what must outlive the process, and the files for clients.
	Dir string `json:"dir"`
	// Certificate and Key are PEM files that serve TLS; CA is the authority
	// that clients must trust.
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	CA          string `json:"ca"`

	Tenant string `json:"tenant"`
	// ClientID and ObjectID are the identity that clients log in as.
	ClientID string `json:"clientID"`
	ObjectID string `json:"objectID"`

	Workspace          string `json:"workspace"`
	InstrumentationKey string `json:"instrumentationKey"`
	// Component is the resource id of the Application Insights component.
	Component string `json:"component"`

	// Subscription and Group hold the AKS cluster Cluster, whose users get the kubeconfig in the file Kubeconfig.
	Subscription string `json:"subscription,omitempty"`
	Group        string `json:"group,omitempty"`
	Cluster      string `json:"cluster,omitempty"`
	Kubeconfig   string `json:"kubeconfig,omitempty"`
	// Registry is the URL of the registry behind the container registry's token exchange.
	Registry string `json:"registry,omitempty"`
	// Variables are put into the vault unless they are there.
	Variables []Variable `json:"variables,omitempty"`

	Listen Listen `json:"listen"`
}

// Variable is a secret of the vault: a value, or the content of a file.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	File  string `json:"file,omitempty"`
	// ContentType and Tags as people set them.
	ContentType string            `json:"contentType,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// Listen are the addresses to serve at; a service without one is not served.
type Listen struct {
	Ingest    string `json:"ingest"`    // telemetry, plain HTTP
	IngestTLS string `json:"ingestTLS"` // telemetry
	Query     string `json:"query"`     // Log Analytics
	Entra     string `json:"entra"`
	Vault     string `json:"vault"`
	ARM       string `json:"arm"`
	Registry  string `json:"registry,omitempty"` // a container registry
	// Control is plain HTTP and changes how the services behave: loopback only.
	Control string `json:"control"`
}

// LoadConfig reads a configuration file.
func LoadConfig(path string) (Config, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var c Config
	if err := d.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("read the configuration %s: %w", path, err)
	}
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("the configuration %s: %w", path, err)
	}
	return c, nil
}

func (c Config) check() error {
	var missing []string
	for _, f := range []struct{ name, value string }{
		{"dir", c.Dir}, {"certificate", c.Certificate}, {"key", c.Key}, {"ca", c.CA}, {"tenant", c.Tenant}, {"clientID", c.ClientID},
		{"objectID", c.ObjectID}, {"workspace", c.Workspace}, {"instrumentationKey", c.InstrumentationKey}, {"component", c.Component},
		{"listen.entra", c.Listen.Entra}, {"listen.vault", c.Listen.Vault},
	} {
		if f.value == "" {
			missing = append(missing, f.name)
		}
	}
	if len(missing) > 0 {
		return errors.New("missing: " + strings.Join(missing, ", "))
	}
	if c.Listen.Control == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(c.Listen.Control)
	if err != nil {
		return fmt.Errorf("listen.control: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("listen.control is %s: whoever reaches it can change everything, so it must be a loopback address", c.Listen.Control)
	}
	return nil
}

func (c Config) path(elem ...string) string {
	return filepath.Join(append([]string{c.Dir}, elem...)...)
}

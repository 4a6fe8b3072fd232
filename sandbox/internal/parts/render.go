// Package parts describes what the sandbox consists of: the configuration
// files it writes and the units that the supervisor runs.
package parts

import (
	"bytes"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"text/template"

	"github.com/slipway-cd/slipway/sandbox/internal/layout"
	"github.com/slipway-cd/slipway/sandbox/internal/pki"
)

//go:embed templates
var templates embed.FS

// Machine is what configuration depends on besides the layout.
type Machine struct {
	// Containerd and Redis are the paths of the executables.
	Containerd, Redis string
	// CNIBin is the directory of the CNI plugins.
	CNIBin string
	// Snapshotter is containerd's: overlayfs, or native where that is missing.
	Snapshotter string
	// PauseImage is the reference of the image that holds a pod's namespaces.
	PauseImage string
	// RedisPassword is the password of Redis.
	RedisPassword string
}

// File is a file to write.
type File struct {
	Path string
	Data []byte
	Mode os.FileMode
}

// values is what templates see: methods and constants of the layout, and the machine.
type values struct {
	layout.Layout
	Machine
	NodeIP, NodeName, PodCIDR, Bridge, CNINetwork      string
	DNSServiceIP, DNSHealth, ProxyHealth, ProxyMetrics string
	Registry                                           string
	Azure                                              azureValues
}

// azureValues are the constants of the layout that the stand-ins for Azure need.
type azureValues struct {
	Tenant, ClientID, ObjectID, Workspace, InstrumentationKey, Component string
	Ingest, IngestTLS, Query, Entra, Vault, ARM, Registry, Control       string
	Subscription, Group, Cluster, RedisHost, RedisPort                   string
}

// Configs renders the configuration files, all but the kubeconfigs.
func Configs(l layout.Layout, m Machine) ([]File, error) {
	redisHost, redisPort, err := net.SplitHostPort(layout.Redis)
	if err != nil {
		return nil, fmt.Errorf("the address of Redis: %w", err)
	}
	v := values{
		Layout: l, Machine: m,
		NodeIP: layout.NodeIP, NodeName: layout.NodeName, PodCIDR: layout.PodCIDR, Bridge: layout.Bridge,
		CNINetwork: layout.CNINetwork, DNSServiceIP: layout.DNSServiceIP,
		DNSHealth: layout.DNSHealth, ProxyHealth: layout.ProxyHealth, ProxyMetrics: layout.ProxyMetrics,
		Registry: layout.Registry,
		Azure: azureValues{
			Tenant: layout.AzureTenant, ClientID: layout.AzureClientID, ObjectID: layout.AzureObjectID,
			Workspace: layout.AzureWorkspace, InstrumentationKey: layout.AzureInstrumentationKey, Component: layout.AzureComponent,
			Ingest: layout.AzureIngest, IngestTLS: layout.AzureIngestTLS, Query: layout.AzureQuery,
			Entra: layout.AzureEntra, Vault: layout.AzureVault, ARM: layout.AzureARM, Registry: layout.AzureRegistry, Control: layout.AzureControl,
			Subscription: layout.AzureSubscription, Group: layout.AzureGroup, Cluster: layout.AzureCluster,
			RedisHost: redisHost, RedisPort: redisPort,
		},
	}
	all, err := template.ParseFS(templates, "templates/*")
	if err != nil {
		return nil, fmt.Errorf("read the templates: %w", err)
	}
	var files []File
	for _, f := range []struct{ template, path string }{
		{"containerd.toml", l.Conf("containerd.toml")},
		{"hosts.toml", filepath.Join(l.Conf("registries"), layout.Registry, "hosts.toml")},
		// Nodes pull what was pushed through the container registry's door without knocking at it, as AKS's do.
		{"hosts.toml", filepath.Join(l.Conf("registries"), layout.AzureRegistry, "hosts.toml")},
		{"cni.conflist", filepath.Join(l.Conf("cni"), "10-slipway.conflist")},
		{"kubelet.yaml", l.Conf("kubelet.yaml")},
		{"kube-proxy.yaml", l.Conf("kube-proxy.yaml")},
		{"Corefile", l.Conf("Corefile")},
		{"redis.conf", l.Conf("redis.conf")},
		{"registry.yaml", l.Conf("registry.yaml")},
		{"azure.json", l.Conf("azure.json")},
	} {
		var b bytes.Buffer
		if err := all.ExecuteTemplate(&b, f.template, v); err != nil {
			return nil, fmt.Errorf("render %s: %w", f.template, err)
		}
		files = append(files, File{f.path, b.Bytes(), 0o600})
	}
	// Empty: pods must not inherit the machine's name servers and search
	// domains, which they could not reach or would leak into lookups.
	files = append(files, File{l.Conf("resolv.conf"), nil, 0o644})
	return files, nil
}

// authorities sign; Certificates and they are the whole PKI of a sandbox. etcd has an
// authority of its own, so that no Kubernetes user can open it.
var authorities = []string{"ca", "etcd-ca"}

// Certificates lists the certificates of a sandbox and the authorities that sign them.
func Certificates() (cas []string, certs []pki.Cert) {
	return authorities, []pki.Cert{
		{Name: "etcd", CA: "etcd-ca", CN: "etcd", Hosts: []string{layout.NodeIP}},
		{Name: "etcd-client", CA: "etcd-ca", CN: "kube-apiserver"},
		{Name: "apiserver", CA: "ca", CN: "kube-apiserver", Hosts: []string{
			layout.NodeIP, layout.APIServiceIP, "127.0.0.1", "localhost", layout.NodeName, "kubernetes",
			"kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		}},
		{Name: "apiserver-kubelet", CA: "ca", CN: "kube-apiserver-kubelet", Orgs: []string{"system:masters"}},
		{Name: "kubelet", CA: "ca", CN: "system:node:" + layout.NodeName, Orgs: []string{"system:nodes"},
			Hosts: []string{layout.NodeIP, layout.NodeName}},
		{Name: "controllers", CA: "ca", CN: "system:kube-controller-manager", Hosts: []string{"127.0.0.1"}},
		{Name: "scheduler", CA: "ca", CN: "system:kube-scheduler", Hosts: []string{"127.0.0.1"}},
		{Name: "kube-proxy", CA: "ca", CN: "system:kube-proxy"},
		{Name: "coredns", CA: "ca", CN: "slipway:dns"},
		{Name: "gateway", CA: "ca", CN: "slipway:gateway"},
		{Name: "admin", CA: "ca", CN: "slipway-sandbox-admin", Orgs: []string{"system:masters"}},
		{Name: "redis", CA: "ca", CN: "redis", Hosts: []string{layout.NodeIP, "redis", "localhost"}},
		{Name: "azure", CA: "ca", CN: "azure", Hosts: []string{layout.NodeIP, "127.0.0.1", "localhost"}},
	}
}

// kubeconfigs maps a kubeconfig under conf/ to the certificate that it carries.
var kubeconfigs = []struct{ file, cert string }{
	{"kubelet.kubeconfig", "kubelet"},
	{"controllers.kubeconfig", "controllers"},
	{"scheduler.kubeconfig", "scheduler"},
	{"kube-proxy.kubeconfig", "kube-proxy"},
	{"coredns.kubeconfig", "coredns"},
	{"gateway.kubeconfig", "gateway"},
}

// Kubeconfigs renders every kubeconfig. The certificates must exist.
func Kubeconfigs(l layout.Layout) ([]File, error) {
	admin, err := kubeconfig(l, "admin")
	if err != nil {
		return nil, err
	}
	files := []File{{l.Kubeconfig(), admin, 0o600}}
	for _, k := range kubeconfigs {
		data, err := kubeconfig(l, k.cert)
		if err != nil {
			return nil, err
		}
		files = append(files, File{l.Conf(k.file), data, 0o600})
	}
	return files, nil
}

func kubeconfig(l layout.Layout, cert string) ([]byte, error) {
	var b64 [3]string
	for i, name := range []string{"ca.crt", cert + ".crt", cert + ".key"} {
		raw, err := os.ReadFile(l.PKI(name))
		if err != nil {
			return nil, fmt.Errorf("read a certificate for a kubeconfig: %w", err)
		}
		b64[i] = base64.StdEncoding.EncodeToString(raw)
	}
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: slipway-sandbox
  cluster:
    server: https://%s
    certificate-authority-data: %s
users:
- name: %s
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: slipway-sandbox
  context: {cluster: slipway-sandbox, user: %[3]s}
current-context: slipway-sandbox
`, layout.APIServer, b64[0], cert, b64[1], b64[2]), nil
}

// Write writes the files whose content differs from what is on disk, each in
// one step.
func Write(files []File) error {
	for _, f := range files {
		old, err := os.ReadFile(f.Path)
		if err == nil && bytes.Equal(old, f.Data) {
			continue
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("read the old %s: %w", f.Path, err)
		}
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
			return fmt.Errorf("make the directory of %s: %w", f.Path, err)
		}
		tmp := f.Path + ".new"
		if err := os.WriteFile(tmp, f.Data, f.Mode); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
		if err := os.Rename(tmp, f.Path); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
	}
	return nil
}

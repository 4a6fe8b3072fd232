// Package layout says where things of the sandbox are: paths under its data
// directory, and the addresses and ports it uses. It does no I/O.
package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
)

// DefaultDir is the data directory when --dir is not given.
const DefaultDir = "/var/lib/slipway-sandbox"

// The addresses of the sandbox. All of them are loopback or made by the
// sandbox itself, so nothing is reachable from another machine.
const (
	// NodeIP is added to the loopback interface. Pods reach the API server
	// and the DNS server there, which they could not at 127.0.0.1.
	NodeIP       = "10.123.0.1"
	NodeName     = "slipway"
	ServiceCIDR  = "10.96.0.0/16"
	APIServiceIP = "10.96.0.1"
	DNSServiceIP = "10.96.0.10"
	PodCIDR      = "10.244.0.0/24"
	Bridge       = "slw0"

	APIServer      = NodeIP + ":6443"
	EtcdClient     = NodeIP + ":2379"
	EtcdPeer       = NodeIP + ":2380"
	DNS            = NodeIP + ":1053"
	DNSHealth      = NodeIP + ":1054"
	Kubelet        = NodeIP + ":10250"
	KubeletHealth  = "127.0.0.1:10248"
	ProxyMetrics   = "127.0.0.1:10249"
	ProxyHealth    = "127.0.0.1:10256"
	Controllers    = "127.0.0.1:10257"
	Scheduler      = "127.0.0.1:10259"
	Registry       = "127.0.0.1:5080"
	Gateway        = "127.0.0.1:8080"
	GatewayPods    = NodeIP + ":8080" // the same for pods, which do not reach the loopback
	GatewayMetrics = "127.0.0.1:8082"
	Redis          = NodeIP + ":6380"
)

// CNINetwork names the pod network in CNI's files.
const CNINetwork = "slipway-sandbox"

// MaxDirLen bounds the length of the data directory in bytes: unix socket
// paths under it must stay below the kernel's 108.
const MaxDirLen = 50

// Layout gives every path of one sandbox. The zero value is not usable.
type Layout struct {
	// Dir is the absolute data directory.
	Dir string
	// Bin is the directory of the sandbox's own executables.
	Bin string
}

// CgroupRoot is the name of the cgroup, in each hierarchy, under which all
// pods live. Another data directory has another, so that taking one sandbox
// down never ends the pods of another.
func (l Layout) CgroupRoot() string {
	if l.Dir == DefaultDir {
		return "slipway-sandbox"
	}
	sum := sha256.Sum256([]byte(l.Dir))
	return "slipway-sandbox-" + hex.EncodeToString(sum[:4])
}

// Path joins elem to the data directory.
func (l Layout) Path(elem ...string) string {
	return filepath.Join(append([]string{l.Dir}, elem...)...)
}

// Kubeconfig is the administrator's kubeconfig.
func (l Layout) Kubeconfig() string { return l.Path("kubeconfig") }

// Log is the log file of a part.
func (l Layout) Log(part string) string { return l.Path("logs", part+".log") }

// Run is the directory of sockets and runtime state; nothing in it is meant
// to survive a reboot.
func (l Layout) Run(elem ...string) string {
	return l.Path(append([]string{"run"}, elem...)...)
}

// PKI is a file of the certificate directory.
func (l Layout) PKI(name string) string { return l.Path("pki", name) }

// Conf is a file of the configuration directory.
func (l Layout) Conf(name string) string { return l.Path("conf", name) }

// ContainerdSocket is the socket of the sandbox's own containerd.
func (l Layout) ContainerdSocket() string { return l.Run("containerd.sock") }

// SupervisorSocket is where the supervisor answers.
func (l Layout) SupervisorSocket() string { return l.Run("supervisor.sock") }

// Cluster, GatewayBin and Pause are the sibling executables; Self is the sandbox's own.
func (l Layout) Cluster() string    { return filepath.Join(l.Bin, "slipway-cluster") }
func (l Layout) GatewayBin() string { return filepath.Join(l.Bin, "slipway-gateway") }
func (l Layout) Pause() string      { return filepath.Join(l.Bin, "slipway-pause") }
func (l Layout) Self() string       { return filepath.Join(l.Bin, "slipway-sandbox") }

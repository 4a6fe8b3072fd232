package parts

import (
	"context"

	"github.com/slipway-cd/slipway/sandbox/internal/layout"
	"github.com/slipway-cd/slipway/sandbox/internal/supervisor"
)

// Tasks is what units do besides running processes; the caller supplies it.
type Tasks struct {
	// Pause imports the pause image; PauseReady says whether it is there.
	Pause, PauseReady func(context.Context) error
	// Base applies the roles, the DNS Service and the Gateway API's definitions.
	Base, BaseReady func(context.Context) error
	// Node waits until pods can be scheduled.
	NodeReady func(context.Context) error
	// RoutesReady says whether the Gateway is programmed.
	RoutesReady func(context.Context) error
}

// Probes ask the parts whether they do their job.
type Probes struct {
	// TLS asks an HTTPS address with the named client certificate and authority.
	TLS func(addr, path, cert, ca string) func(context.Context) error
	// HTTP asks an HTTP address; any answer below 500 counts.
	HTTP func(addr, path string) func(context.Context) error
	// Redis sends PING over TLS with the password.
	Redis func(context.Context) error
	// Socket connects to a unix socket.
	Socket func(path string) func(context.Context) error
	// DNS looks up the API server's Service at the DNS server.
	DNS func(context.Context) error
}

// Go's collector trades memory for time. The sandbox shares a small machine, so
// most parts collect a little more often than by default. The API server
// makes much garbage while it starts, when processors are scarce: it may let
// it grow up to a limit.
const gogc = "GOGC=80"

// Units lists the parts in an order in which they could be started one by one.
func Units(l layout.Layout, m Machine, t Tasks, p Probes) []supervisor.Unit {
	applet := func(name, what, where string, args ...string) supervisor.Unit {
		return supervisor.Unit{
			Name: name, What: what, Where: where, Path: l.Cluster(),
			Args: append([]string{name}, args...), Env: []string{gogc},
		}
	}
	etcd := applet("etcd", "the cluster's store", layout.EtcdClient,
		"--name=slipway", "--data-dir="+l.Path("etcd"),
		"--listen-client-urls=https://"+layout.EtcdClient, "--advertise-client-urls=https://"+layout.EtcdClient,
		"--listen-peer-urls=https://"+layout.EtcdPeer, "--initial-advertise-peer-urls=https://"+layout.EtcdPeer,
		"--initial-cluster=slipway=https://"+layout.EtcdPeer,
		"--cert-file="+l.PKI("etcd.crt"), "--key-file="+l.PKI("etcd.key"),
		"--trusted-ca-file="+l.PKI("etcd-ca.crt"), "--client-cert-auth",
		"--peer-cert-file="+l.PKI("etcd.crt"), "--peer-key-file="+l.PKI("etcd.key"),
		"--peer-trusted-ca-file="+l.PKI("etcd-ca.crt"), "--peer-client-cert-auth",
		// The sandbox is disposable: it survives kill -9, not a power cut.
		"--unsafe-no-fsync", "--snapshot-count=5000", "--log-level=warn",
		"--auto-compaction-mode=periodic", "--auto-compaction-retention=10m",
	)
	etcd.Inputs = []string{l.PKI("etcd.crt")}
	etcd.Ready = p.TLS(layout.EtcdClient, "/health", "etcd-client", "etcd-ca")

	containerd := supervisor.Unit{
		Name: "containerd", What: "runs containers", Where: l.ContainerdSocket(),
		Path: m.Containerd, Args: []string{"--config", l.Conf("containerd.toml"), "--log-level", "warn"},
		Env: []string{gogc}, Inputs: []string{l.Conf("containerd.toml")}, Ready: p.Socket(l.ContainerdSocket()),
	}
	pause := supervisor.Unit{
		Name: "pause-image", What: "image that holds a pod together", After: []string{"containerd"},
		Run: t.Pause, Ready: t.PauseReady,
	}
	registry := supervisor.Unit{
		Name: "registry", What: "OCI registry", Where: layout.Registry,
		Path: l.Self(), Args: []string{"registry", "--config", l.Conf("registry.yaml")},
		Env: []string{gogc, "OTEL_TRACES_EXPORTER=none"}, Inputs: []string{l.Conf("registry.yaml")}, Ready: p.HTTP(layout.Registry, "/v2/"),
	}
	redis := supervisor.Unit{
		Name: "redis", What: "Redis, TLS and password", Where: layout.Redis,
		Path: m.Redis, Args: []string{l.Conf("redis.conf")},
		Inputs: []string{l.Conf("redis.conf"), l.PKI("redis.crt")}, Ready: p.Redis,
	}

	azure := supervisor.Unit{
		Name: "azure", What: "Application Insights, Log Analytics, Entra, Key Vault, Resource Manager, ACR", Where: layout.AzureQuery,
		Path: l.Self(), Args: []string{"azure", "--config", l.Conf("azure.json")},
		Env: []string{gogc}, Inputs: []string{l.Conf("azure.json"), l.PKI("azure.crt")}, Ready: p.HTTP(layout.AzureControl, "/control/"),
	}

	apiserver := applet("kube-apiserver", "Kubernetes API", layout.APIServer,
		"--etcd-servers=https://"+layout.EtcdClient, "--etcd-cafile="+l.PKI("etcd-ca.crt"),
		"--etcd-certfile="+l.PKI("etcd-client.crt"), "--etcd-keyfile="+l.PKI("etcd-client.key"),
		"--bind-address="+layout.NodeIP, "--advertise-address="+layout.NodeIP, "--secure-port=6443",
		"--cert-dir="+l.Run("apiserver"), "--tls-cert-file="+l.PKI("apiserver.crt"), "--tls-private-key-file="+l.PKI("apiserver.key"),
		"--client-ca-file="+l.PKI("ca.crt"), "--service-cluster-ip-range="+layout.ServiceCIDR,
		"--kubelet-client-certificate="+l.PKI("apiserver-kubelet.crt"), "--kubelet-client-key="+l.PKI("apiserver-kubelet.key"),
		"--kubelet-certificate-authority="+l.PKI("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file="+l.PKI("sa.pub"), "--service-account-signing-key-file="+l.PKI("sa.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--profiling=false", "--event-ttl=30m", "--shutdown-delay-duration=0s",
	)
	apiserver.Env = []string{"GOGC=200", "GOMEMLIMIT=320MiB"}
	apiserver.After = []string{"etcd"}
	apiserver.Inputs = []string{l.PKI("apiserver.crt"), l.PKI("ca.crt"), l.PKI("sa.pub")}
	apiserver.Ready = p.TLS(layout.APIServer, "/readyz", "admin", "ca")

	controllers := applet("kube-controller-manager", "Kubernetes controllers", layout.Controllers,
		"--kubeconfig="+l.Conf("controllers.kubeconfig"), "--bind-address=127.0.0.1",
		"--tls-cert-file="+l.PKI("controllers.crt"), "--tls-private-key-file="+l.PKI("controllers.key"),
		"--use-service-account-credentials", "--service-account-private-key-file="+l.PKI("sa.key"),
		"--root-ca-file="+l.PKI("ca.crt"),
		"--cluster-signing-cert-file="+l.PKI("ca.crt"), "--cluster-signing-key-file="+l.PKI("ca.key"),
		"--flex-volume-plugin-dir="+l.Path("volume-plugins"), "--leader-elect=false", "--profiling=false",
	)
	controllers.After = []string{"kube-apiserver"}
	controllers.Inputs = []string{l.Conf("controllers.kubeconfig")}
	controllers.Ready = p.TLS(layout.Controllers, "/healthz", "admin", "ca")

	scheduler := applet("kube-scheduler", "Kubernetes scheduler", layout.Scheduler,
		"--kubeconfig="+l.Conf("scheduler.kubeconfig"), "--bind-address=127.0.0.1",
		"--tls-cert-file="+l.PKI("scheduler.crt"), "--tls-private-key-file="+l.PKI("scheduler.key"),
		"--leader-elect=false", "--profiling=false",
	)
	scheduler.After = []string{"kube-apiserver"}
	scheduler.Inputs = []string{l.Conf("scheduler.kubeconfig")}
	scheduler.Ready = p.TLS(layout.Scheduler, "/healthz", "admin", "ca")

	kubelet := applet("kubelet", "Kubernetes node", layout.Kubelet,
		"--config="+l.Conf("kubelet.yaml"), "--kubeconfig="+l.Conf("kubelet.kubeconfig"),
		"--root-dir="+l.Path("kubelet"), "--cert-dir="+l.Run("kubelet"),
		"--node-ip="+layout.NodeIP, "--hostname-override="+layout.NodeName,
	)
	kubelet.After = []string{"kube-apiserver", "containerd"}
	kubelet.Inputs = []string{l.Conf("kubelet.yaml"), l.Conf("kubelet.kubeconfig")}
	kubelet.Ready = p.HTTP(layout.KubeletHealth, "/healthz")

	proxy := applet("kube-proxy", "Service addresses", layout.ProxyHealth, "--config="+l.Conf("kube-proxy.yaml"))
	proxy.After = []string{"kube-apiserver"}
	proxy.Inputs = []string{l.Conf("kube-proxy.yaml"), l.Conf("kube-proxy.kubeconfig")}
	proxy.Ready = p.HTTP(layout.ProxyHealth, "/livez")

	base := supervisor.Unit{
		Name: "base-objects", What: "roles, DNS Service, Gateway API", After: []string{"kube-apiserver"},
		Run: t.Base, Ready: t.BaseReady,
	}
	coredns := applet("coredns", "cluster DNS", layout.DNS, "-conf", l.Conf("Corefile"))
	coredns.After = []string{"base-objects"}
	coredns.Inputs = []string{l.Conf("Corefile"), l.Conf("coredns.kubeconfig")}
	coredns.Ready = p.DNS

	gateway := supervisor.Unit{
		Name: "gateway", What: "Traefik: Gateway API, ingress-nginx rules", Where: layout.Gateway, After: []string{"base-objects"},
		Path: l.GatewayBin(), Args: []string{"--kubeconfig", l.Conf("gateway.kubeconfig"),
			"--http", layout.Gateway, "--pods", layout.GatewayPods, "--metrics", layout.GatewayMetrics},
		Env: []string{gogc}, Inputs: []string{l.Conf("gateway.kubeconfig")}, Ready: p.HTTP(layout.Gateway, "/"),
	}
	node := supervisor.Unit{
		Name: "node", What: "ready for pods", Where: layout.NodeIP,
		After: []string{"kubelet", "kube-controller-manager", "kube-scheduler", "pause-image"},
		Run:   nothing, Ready: t.NodeReady,
	}
	routes := supervisor.Unit{
		Name: "gateway-routes", What: "Gateway programmed", Where: "http://" + layout.Gateway, After: []string{"gateway"},
		Run: nothing, Ready: t.RoutesReady,
	}
	return []supervisor.Unit{
		etcd, containerd, registry, redis, azure, pause, apiserver, controllers, scheduler, kubelet, proxy,
		base, coredns, gateway, node, routes,
	}
}

// nothing is the task of a unit that is only waited for.
func nothing(context.Context) error { return nil }

package chart

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// maxHistory is how many revisions of a release are kept; Helm's own default.
const maxHistory = 10

// fieldManager is the name under which Helm's command line owns the fields it applies. Anything else would make
// the next `helm upgrade` of our releases end in a conflict.
const fieldManager = "helm"

// nameFieldManager sets what the Helm SDK keeps in a package variable.
var nameFieldManager = sync.OnceFunc(func() { kube.ManagedFieldsManager = fieldManager })

// Client works with the Helm releases of one namespace of one cluster. It is safe for concurrent use on different
// releases; on one release the caller sees to it that there is one writer.
//
// When the context of an operation ends, the operation's requests are cut off, writes to the cluster stop at once,
// and the release's revision is recorded as failed if the API server still answers; the method returns only when
// nothing of it goes on in the background. What had been applied by then stays applied.
type Client struct {
	namespace string
	rest      *rest.Config
	discovery discovery.CachedDiscoveryInterface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
	log       *slog.Logger

	mu   sync.Mutex
	caps *common.Capabilities // nil until the first operation, and after one that installed CRDs

	// configure makes Helm's configuration for one operation; a field so that tests can give another.
	configure func(ctx context.Context) (*action.Configuration, error)
}

// New makes a client for the releases of a namespace. It does not contact the cluster.
//
// restConfig is copied. Its client-side rate limit is switched off: the API server has its own fairness, and a
// release is a short burst of requests. Warnings that the API server sends go to log.
func New(restConfig *rest.Config, namespace string, log *slog.Logger) (*Client, error) {
	nameFieldManager()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	config := rest.CopyConfig(restConfig)
	config.QPS, config.Burst, config.RateLimiter = -1, 0, nil
	config.WarningHandler = nil
	config.WarningHandlerWithContext = warnings{log}
	config.Timeout = 0 // it would end watches; the transport bounds each single request
	c := &Client{namespace: namespace, rest: config, log: log}

	plain := rest.CopyConfig(config)
	plain.Timeout = requestTimeout
	direct, err := discovery.NewDiscoveryClientForConfig(plain)
	if err != nil {
		return nil, fmt.Errorf("preparing a client of %s: %w", config.Host, err)
	}
	c.discovery = memory.NewMemCacheClient(direct)
	c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(c.discovery)
	c.configure = c.helm
	return c, nil
}

// Namespace of the client's releases.
func (c *Client) Namespace() string { return c.namespace }

// helm makes Helm's configuration for one operation, all of whose requests end with ctx.
func (c *Client) helm(ctx context.Context) (*action.Configuration, error) {
	getter := &getter{client: c, ctx: ctx}
	// What Helm logs as a warning it also returns as an error; logged louder than debug it would be said twice.
	quiet := quieted{c.log.Handler()}
	cfg := action.NewConfiguration(action.ConfigurationSetLogger(quiet))
	if err := cfg.Init(getter, c.namespace, "secret"); err != nil {
		return nil, fmt.Errorf("preparing Helm: %w", err)
	}
	client := kube.New(getter)
	client.SetLogger(quiet)
	client.Namespace = c.namespace
	cfg.KubeClient = &kubeClient{Client: client}
	return cfg, nil
}

// capabilities tells Helm what the cluster can do, asking it once for all operations of the client.
func (c *Client) capabilities() (*common.Capabilities, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.caps != nil {
		return c.caps.Copy(), nil
	}
	version, err := c.discovery.ServerVersion()
	if err != nil {
		return nil, err
	}
	apis, err := action.GetVersionSet(c.discovery)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, err
	}
	parsed, err := common.ParseKubeVersion(version.GitVersion)
	if err != nil {
		return nil, fmt.Errorf("the cluster's version %q: %w", version.GitVersion, err)
	}
	c.caps = &common.Capabilities{KubeVersion: *parsed, APIVersions: apis, HelmVersion: common.DefaultCapabilities.HelmVersion}
	c.caps.KubeVersion.Major, c.caps.KubeVersion.Minor = version.Major, version.Minor
	return c.caps.Copy(), nil
}

// forget makes the next operation ask the cluster again what it can do.
func (c *Client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.caps = nil
	c.mapper.Reset() // invalidates the discovery cache as well
}

// getter gives Helm the connection in the form that it wants.
type getter struct {
	client *Client
	ctx    context.Context // of the operation; see [fence]
}

func (g *getter) ToRESTConfig() (*rest.Config, error) {
	config := rest.CopyConfig(g.client.rest)
	config.Wrap(fenced(g.ctx))
	return config, nil
}

func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return g.client.discovery, nil
}

func (g *getter) ToRESTMapper() (meta.RESTMapper, error) { return g.client.mapper, nil }

func (g *getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	return clientcmd.NewDefaultClientConfig(clientcmdapi.Config{}, &clientcmd.ConfigOverrides{
		Context: clientcmdapi.Context{Namespace: g.client.namespace}})
}

// quieted passes every record on as a debug one.
type quieted struct{ slog.Handler }

func (q quieted) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.Handler.Enabled(ctx, slog.LevelDebug)
}

func (q quieted) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return q.Handler.Handle(ctx, r)
}

func (q quieted) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quieted{q.Handler.WithAttrs(attrs)}
}

func (q quieted) WithGroup(name string) slog.Handler { return quieted{q.Handler.WithGroup(name)} }

// warnings takes the API server's warnings (deprecated versions and the like).
type warnings struct{ log *slog.Logger }

func (w warnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, text string) {
	if code == 299 && text != "" {
		w.log.WarnContext(ctx, "the API server warns", slog.String("warning", text))
	}
}

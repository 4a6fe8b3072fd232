package cluster

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

const kubeconfigText = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: u, user: {}}]
contexts: [{name: prod, context: {cluster: c, user: u}}, {name: dev, context: {cluster: c, user: u}}, {name: torn, context: {cluster: gone, user: u}}]
`

func kubeconfig(t *testing.T, text string) string {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBECONFIG", "")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAKubeconfigThatCannotBeUsedSaysWhyAndWhatToDo(t *testing.T) {
	path := kubeconfig(t, kubeconfigText)
	broken := kubeconfig(t, "clusters: [}")
	for name, c := range map[string]struct{ path, context, want string }{
		"no such file":       {path + "x", "", "does not exist"},
		"not YAML":           {broken, "", "cannot be read"},
		"no such context":    {path, "prd", `no context "prd"`},
		"contexts are told":  {path, "prd", "dev, prod, torn"},
		"no current context": {path, "", "kubectl config use-context"},
		"no cluster":         {path, "torn", "not usable"},
		"nothing at all":     {"", "", "no kubeconfig was found"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Connect(c.path, c.context)
			var ce *ConfigError
			if !errors.As(err, &ce) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v", err)
			}
		})
	}
	cfg, err := Connect(path, "dev")
	if err != nil || cfg.Host != "http://127.0.0.1:9" || cfg.QPS < 50 {
		t.Errorf("%v, %v", cfg, err)
	}
}

func TestTheKubeconfigOfTheEnvironmentIsUsed(t *testing.T) {
	path := kubeconfig(t, kubeconfigText)
	t.Setenv("KUBECONFIG", path)
	if cfg, err := Connect("", "prod"); err != nil || cfg.Host != "http://127.0.0.1:9" {
		t.Errorf("%v, %v", cfg, err)
	}
}

func TestAnAPIServerThatDoesNotAnswerIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	path := kubeconfig(t, strings.Replace(kubeconfigText, "127.0.0.1:9", addr, 1))
	_, err = Open(t.Context(), path, "prod", "1")
	var ue *UnreachableError
	if !errors.As(err, &ue) || !strings.Contains(err.Error(), addr) {
		t.Errorf("err = %v", err)
	}
}

func TestCredentialsThatAreNotAcceptedAreToldApartAndTheUserAgentIsOurs(t *testing.T) {
	agent := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agent = r.UserAgent()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}`))
	}))
	defer s.Close()
	c, err := NewClients(&rest.Config{Host: s.URL}, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context()); !IsKind(err, Unauthorized) {
		t.Errorf("err = %v", err)
	}
	if agent != "slipway/1.2.3" {
		t.Errorf("user agent %q", agent)
	}
}

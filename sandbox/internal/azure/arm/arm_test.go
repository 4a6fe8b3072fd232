package arm_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/azure/aks"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/arm"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/faulty"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/fault"
)

const (
	tenantID     = "11111111-1111-4111-8111-111111111111"
	clientID     = "22222222-2222-4222-8222-222222222222"
	objectID     = "33333333-3333-4333-8333-333333333333"
	subscription = "44444444-4444-4444-8444-444444444444"
)

// keyDir holds Entra's signing keys for all tests: making them takes long.
var keyDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "arm")
	if err != nil {
		panic(err)
	}
	return dir
})

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(keyDir())
	os.Exit(code)
}

// world is Entra, Azure Resource Manager and an API server that takes Entra tokens, over TLS.
type world struct {
	t          *testing.T
	entra      *entra.Server
	arm        *arm.Server
	armURL     string
	client     azcore.ClientOptions
	cloud      azure.Cloud
	credential azcore.TokenCredential
	cluster    aks.Cluster

	mu   sync.Mutex
	seen []string // what the API server was sent as Authorization
}

// kubeconfig of a cluster, with a user as AKS gives it.
func kubeconfig(t *testing.T, server string, ca []byte, user api.AuthInfo) []byte {
	t.Helper()
	c := api.NewConfig()
	c.Clusters["aks1"] = &api.Cluster{Server: server, CertificateAuthorityData: ca}
	c.AuthInfos["clusterUser"] = &user
	c.Contexts["aks1"] = &api.Context{Cluster: "aks1", AuthInfo: "clusterUser"}
	c.CurrentContext = "aks1"
	raw, err := clientcmd.Write(*c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func kubelogin(args ...string) api.AuthInfo {
	return api.AuthInfo{Exec: &api.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1beta1", Command: "kubelogin", InteractiveMode: api.IfAvailableExecInteractiveMode,
		Args: append([]string{"get-token", "--login", "devicecode", "--environment", "AzurePublicCloud"}, args...),
	}}
}

func newWorld(t *testing.T, user api.AuthInfo, users ...string) *world {
	t.Helper()
	w := &world{t: t, cluster: aks.Cluster{Subscription: subscription, Group: "group1", Name: "aks1"}}
	serve := func(handler *http.Handler) *httptest.Server {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*handler).ServeHTTP(rw, r) }))
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.StartTLS()
		t.Cleanup(srv.Close)
		return srv
	}
	var login, resources http.Handler
	var apiServer http.Handler = http.HandlerFunc(w.version)
	loginServer, armServer, apiTLS := serve(&login), serve(&resources), serve(&apiServer)
	w.armURL = armServer.URL
	var err error
	if w.entra, err = entra.New(entra.Options{
		Tenant: tenantID, URL: loginServer.URL, Dir: keyDir(),
		Apps: []entra.App{{ClientID: clientID, ObjectID: objectID, Federated: []entra.Federated{{Subject: "system:serviceaccount:a:b"}}}},
	}); err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: armServer.Certificate().Raw})
	if w.arm, err = arm.New(arm.Options{
		Subscription: subscription, Verifier: w.entra.Verifier(),
		Clusters: []arm.Cluster{{Group: "group1", Name: "aks1", Users: users, Kubeconfig: kubeconfig(t, apiTLS.URL, ca, user)}},
	}); err != nil {
		t.Fatal(err)
	}
	login, resources = w.entra.Handler(), w.arm.Handler()
	caFile, token := filepath.Join(t.TempDir(), "ca.crt"), filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.entra.WriteSubjectToken(token, clientID); err != nil {
		t.Fatal(err)
	}
	if w.cloud, err = azure.NewCloud("", azure.Endpoints{Authority: loginServer.URL, Management: armServer.URL}); err != nil {
		t.Fatal(err)
	}
	if w.client, err = w.cloud.ClientOptions(caFile); err != nil {
		t.Fatal(err)
	}
	w.client.Retry = policy.RetryOptions{MaxRetries: 2, RetryDelay: time.Millisecond}
	if w.credential, _, err = azure.Credential(azure.Options{
		Cloud: w.cloud, Client: w.client, Tenant: tenantID, ClientID: clientID, TokenFile: token, Getenv: func(string) string { return "" },
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

// version is the API server: it tells its version to whoever has a token for AKS.
func (w *world) version(rw http.ResponseWriter, r *http.Request) {
	header := r.Header.Get("Authorization")
	w.mu.Lock()
	w.seen = append(w.seen, header)
	w.mu.Unlock()
	token, _ := strings.CutPrefix(header, "Bearer ")
	if token != "local" && w.entra.Verifier().Verify(token, aks.ServerID) != nil {
		http.Error(rw, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}`, http.StatusUnauthorized)
		return
	}
	_ = json.NewEncoder(rw).Encode(map[string]string{"gitVersion": "v1.34.4"})
}

func (w *world) connect() (*rest.Config, error) {
	return aks.Connect(w.t.Context(), w.cluster, w.credential, w.client)
}

func (w *world) serverVersion(cfg *rest.Config) (string, error) {
	w.t.Helper()
	clients, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := clients.Discovery().ServerVersion()
	if err != nil {
		return "", err
	}
	return v.GitVersion, nil
}

func TestAClusterIsReachedWithoutKubelogin(t *testing.T) {
	for _, args := range [][]string{{"--server-id", aks.ServerID, "--client-id", "80faf920-1908-4b52-b5ef-a8e7bedfc67a"}, {"--server-id=" + aks.ServerID}, nil} {
		w := newWorld(t, kubelogin(args...), objectID)
		cfg, err := w.connect()
		if err != nil {
			t.Fatal(err)
		}
		if cfg.ExecProvider != nil {
			t.Error("the configuration still runs a program")
		}
		if v, err := w.serverVersion(cfg); err != nil || v != "v1.34.4" {
			t.Errorf("%v: %q, %v", args, v, err)
		}
	}
}

func TestALocalAccountIsUsedAsItIs(t *testing.T) {
	w := newWorld(t, api.AuthInfo{Token: "local"}, objectID)
	cfg, err := w.connect()
	if err != nil {
		t.Fatal(err)
	}
	if v, err := w.serverVersion(cfg); err != nil || v != "v1.34.4" || w.seen[0] != "Bearer local" {
		t.Errorf("%q, %v, %q", v, err, w.seen)
	}
}

func TestAnotherProgramIsNotRun(t *testing.T) {
	w := newWorld(t, api.AuthInfo{Exec: &api.ExecConfig{APIVersion: "client.authentication.k8s.io/v1beta1", Command: "/opt/evil", InteractiveMode: api.NeverExecInteractiveMode}}, objectID)
	_, err := w.connect()
	var refused *aks.Error
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "evil") || !strings.Contains(err.Error(), "cluster.kubeconfig") {
		t.Errorf("got %v", err)
	}
}

func TestATokenIsOnEveryRequestAndRenewed(t *testing.T) {
	w := newWorld(t, kubelogin(), objectID)
	w.entra.SetLifetime(time.Minute) // the SDK takes a token so near to its end for one that has ended
	cfg, err := w.connect()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := w.serverVersion(cfg); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.seen) != 2 || w.seen[0] == w.seen[1] {
		t.Errorf("the API server was sent %d tokens, the same: %t", len(w.seen), len(w.seen) == 2 && w.seen[0] == w.seen[1])
	}
}

func TestNoTokenIsSentWhenThereIsNone(t *testing.T) {
	w := newWorld(t, kubelogin("--server-id", "another-application"), objectID)
	cfg, err := w.connect()
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.serverVersion(cfg)
	var identity *azure.IdentityError
	if !errors.As(err, &identity) || len(w.seen) != 0 {
		t.Errorf("got %v after %d requests", err, len(w.seen))
	}
}

func TestWhatAzureRefusesIsToldWithWhatToDo(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*world)
		say    string
	}{
		{"another subscription", func(w *world) { w.cluster.Subscription = tenantID }, "there is no subscription " + tenantID},
		{"another group", func(w *world) { w.cluster.Group = "group2" }, "no resource group group2"},
		{"another cluster", func(w *world) { w.cluster.Name = "aks2" }, "no such cluster in resource group group1"},
		{"a fault that stays", func(w *world) { w.fault(fault.Rule{Rate: 1, Status: 500}) }, "500"},
		{"a cut connection", func(w *world) { w.fault(fault.Rule{Rate: 1, Status: faulty.StatusCut}) }, "cannot be reached"},
		{"a token that is not taken", func(w *world) { w.fault(fault.Rule{Rate: 1, Status: 401}) }, "slipway doctor"},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t, kubelogin(), objectID)
			c.change(w)
			_, err := w.connect()
			var refused *aks.Error
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
		})
	}
	w := newWorld(t, kubelogin()) // without the role
	if _, err := w.connect(); err == nil || !strings.Contains(err.Error(), "Azure Kubernetes Service Cluster User Role") {
		t.Errorf("without the role: %v", err)
	}
	w = newWorld(t, kubelogin(), objectID)
	w.fault(fault.Rule{Rate: 1, Times: 2, Status: 503})
	if _, err := w.connect(); err != nil {
		t.Errorf("a fault that passes: %v", err)
	}
}

func (w *world) fault(r fault.Rule) {
	w.t.Helper()
	if err := w.arm.Faults.Set(r); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnIdentityThatGetsNoTokenIsTold(t *testing.T) {
	w := newWorld(t, kubelogin(), objectID)
	w.client.Cloud.Services = nil
	if _, err := w.connect(); err == nil {
		t.Error("a cloud without Azure Resource Manager was taken")
	}
	w = newWorld(t, kubelogin(), objectID)
	w.client.Cloud.Services = map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: w.armURL, Audience: "https://management.core.chinacloudapi.cn/"}}
	_, err := w.connect()
	var identity *azure.IdentityError
	if !errors.As(err, &identity) || identity.Code != "AADSTS500011" {
		t.Errorf("got %v", err)
	}
}

func TestEachWrongRequestIsRefused(t *testing.T) {
	w := newWorld(t, kubelogin(), objectID)
	bearer := func(audience string) string {
		token, err := w.credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + token.Token
	}
	const call = "/resourceGroups/group1/providers/Microsoft.ContainerService/managedClusters/aks1/listClusterUserCredential"
	good := bearer(entra.ARMAudience)
	for _, c := range []struct {
		what, method, target, auth string
		status                     int
		code                       string
	}{
		{"a right one", "POST", "/subscriptions/" + subscription + call + "?api-version=2025-02-01", good, 200, ""},
		{"in other cases", "POST", "/subscriptions/" + subscription + strings.Replace(strings.Replace(call, "resourceGroups", "resourcegroups", 1), "group1", "GROUP1", 1) + "?api-version=2025-02-01", good, 200, ""},
		{"the other audience", "POST", "/subscriptions/" + subscription + call + "?api-version=2025-02-01", bearer(entra.CoreARMAudience + "/"), 200, ""},
		{"no token", "POST", "/subscriptions/" + subscription + call + "?api-version=2025-02-01", "", 401, "AuthenticationFailed"},
		{"a token that is none", "POST", "/subscriptions/" + subscription + call + "?api-version=2025-02-01", "Bearer abc", 401, "InvalidAuthenticationToken"},
		{"a token for another service", "POST", "/subscriptions/" + subscription + call + "?api-version=2025-02-01", bearer(entra.VaultAudience), 401, "InvalidAuthenticationTokenAudience"},
		{"no version of the API", "POST", "/subscriptions/" + subscription + call, good, 400, "MissingApiVersionParameter"},
		{"a version that is none", "POST", "/subscriptions/" + subscription + call + "?api-version=1", good, 400, "InvalidApiVersionParameter"},
		{"another method", "GET", "/subscriptions/" + subscription + call + "?api-version=2025-02-01", good, 404, "InvalidResourceType"},
		{"another call", "POST", "/subscriptions/" + subscription + "/resourceGroups/group1/providers/Microsoft.ContainerService/managedClusters/aks1/stop?api-version=2025-02-01", good, 404, "InvalidResourceType"},
		{"no group", "POST", "/subscriptions/" + subscription + strings.Replace(call, "resourceGroups", "groups", 1) + "?api-version=2025-02-01", good, 404, "InvalidResourceType"},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		if c.auth != "" {
			r.Header.Set("Authorization", c.auth)
		}
		rec := httptest.NewRecorder()
		w.arm.Handler().ServeHTTP(rec, r)
		var answer struct{ Error struct{ Code string } }
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != c.status || answer.Error.Code != c.code {
			t.Errorf("%s: answered %d %s, %v", c.what, rec.Code, rec.Body, err)
		}
	}
}

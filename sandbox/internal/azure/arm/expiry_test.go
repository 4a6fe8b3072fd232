package arm_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/azure/aks"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/arm"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/wire"
)

// bubble is Entra, Azure Resource Manager and an API server without a network, so that a test can have its own time.
type bubble struct {
	t     *testing.T
	wire  wire.Wire
	entra *entra.Server
	api   rest.Interface // the product's way to the API server, with client-go's transport

	mu     sync.Mutex
	bodies []string // of the requests that the API server has taken
}

func newBubble(t *testing.T, lifetime time.Duration) *bubble {
	t.Helper()
	b := &bubble{t: t}
	token := filepath.Join(t.TempDir(), "token")
	var err error
	if b.entra, err = entra.New(entra.Options{
		Tenant: tenantID, URL: "https://login.example", Dir: keyDir(), Lifetime: lifetime,
		Apps: []entra.App{{ClientID: clientID, ObjectID: objectID, Federated: []entra.Federated{{Subject: "canary"}}}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.entra.WriteSubjectToken(token, clientID); err != nil {
		t.Fatal(err)
	}
	resources, err := arm.New(arm.Options{
		Subscription: subscription, Verifier: b.entra.Verifier(),
		Clusters: []arm.Cluster{{Group: "group1", Name: "aks1", Users: []string{objectID}, Kubeconfig: kubeconfig(t, "https://api.example", nil, kubelogin())}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.wire.Handle("login.example", b.entra.Handler())
	b.wire.Handle("management.example", resources.Handler())
	b.wire.Handle("api.example", http.HandlerFunc(b.serve))
	cloud, err := azure.NewCloud("", azure.Endpoints{Authority: "https://login.example", Management: "https://management.example"})
	if err != nil {
		t.Fatal(err)
	}
	client, err := cloud.ClientOptions("")
	if err != nil {
		t.Fatal(err)
	}
	client.Transport = &b.wire
	cred, _, err := azure.Credential(azure.Options{
		Cloud: cloud, Client: client, Tenant: tenantID, ClientID: clientID, TokenFile: token, Getenv: func(string) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := aks.Connect(t.Context(), aks.Cluster{Subscription: subscription, Group: "group1", Name: "aks1"}, cred, client)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Transport, cfg.QPS = &b.wire, -1
	clients, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.api = clients.CoreV1().RESTClient()
	return b
}

// serve is the API server: it takes a token for AKS that is valid now.
func (b *bubble) serve(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "application/json")
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if b.entra.Verifier().Verify(token, aks.ServerID) != nil {
		rw.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(rw, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Error(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bodies = append(b.bodies, string(body))
	_, _ = io.WriteString(rw, `{"kind":"Status","apiVersion":"v1","status":"Success"}`)
}

// renew writes as a lock is renewed: with a body, and an error is fatal to a release.
func (b *bubble) renew(ctx context.Context) error {
	return b.api.Put().AbsPath("/apis/coordination.k8s.io/v1/namespaces/shop/leases/shop").Body([]byte(`{"renew":true}`)).Do(ctx).Error()
}

// run makes four requests at a time, every two seconds for fifteen minutes; none may fail.
func (b *bubble) run(meanwhile func(elapsed time.Duration)) {
	b.t.Helper()
	n := 0
	for elapsed := time.Duration(0); elapsed < 15*time.Minute; elapsed += 2 * time.Second {
		meanwhile(elapsed)
		var group sync.WaitGroup
		for range 4 {
			n++
			group.Go(func() {
				if err := b.renew(b.t.Context()); err != nil {
					b.t.Errorf("after %s: %v", elapsed, err)
				}
			})
		}
		group.Wait()
		time.Sleep(2 * time.Second)
	}
	if len(b.bodies) != n {
		b.t.Errorf("the API server took %d requests of %d", len(b.bodies), n)
	}
	for _, body := range b.bodies {
		if body != `{"renew":true}` {
			b.t.Fatalf("a request arrived as %q", body)
		}
	}
}

func TestAClustersTokenThatExpiresInACanaryIsRenewedWithoutAFailedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 6*time.Minute)
		b.run(func(time.Duration) {})
		if n := b.entra.Issued(); n < 3 || b.entra.Refused() > 0 {
			t.Errorf("%d tokens of 6 minutes for 15 minutes, refused %d times", n, b.entra.Refused())
		}
	})
}

func TestAClustersTokenThatIsRevokedIsRenewedWithinTheCallAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, time.Hour)
		before := 0
		b.run(func(elapsed time.Duration) {
			if elapsed == 6*time.Minute {
				before = b.entra.Issued()
				b.entra.Revoke()
			}
		})
		if n := b.entra.Issued() - before; n != 1 {
			t.Errorf("%d tokens were issued after the one was revoked, want 1 for all requests", n)
		}
		if b.entra.Refused() == 0 {
			t.Error("no token was refused, so nothing was tested")
		}
	})
}

// A token that the API server never takes is asked for twice and not for ever, and what the API server says is the answer.
func TestATokenThatIsNeverTakenIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, time.Hour)
		calls := 0
		b.wire.Handle("api.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			calls++
			r.Header.Del("Authorization")
			b.serve(rw, r)
		}))
		if err := b.renew(t.Context()); !apierrors.IsUnauthorized(err) || calls != 2 {
			t.Errorf("after %d calls: %v", calls, err)
		}
		b.wire.Handle("login.example", nil)
		if err := b.renew(t.Context()); !apierrors.IsUnauthorized(err) || calls != 3 {
			t.Errorf("after %d calls, without Entra: %v", calls, err)
		}
	})
}

func TestALogInThatFailsIsToldByTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 6*time.Minute)
		if err := b.renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.wire.Handle("login.example", nil)
		time.Sleep(7 * time.Minute)
		var identity *azure.IdentityError
		if err := b.renew(t.Context()); !errors.As(err, &identity) || !strings.Contains(err.Error(), "logging in to the cluster") {
			t.Errorf("got %v", err)
		}
	})
}

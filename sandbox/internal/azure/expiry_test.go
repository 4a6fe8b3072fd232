package azure

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	productazure "github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/evidence"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/store"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/wire"
	"github.com/slipway-cd/slipway/sandbox/internal/layout"
)

// canary is fifteen minutes of a release, in the time of a bubble: a service with two slots that sends telemetry, and the
// product's source, with the clients of the Azure SDK, that is asked for it every ten seconds.
type canary struct {
	t        *testing.T
	wire     wire.Wire
	entra    *entra.Server
	insights *insights.Server
	source   *loganalytics.Source
	// counted and sent are requests of the candidate.
	counted, sent int64
}

func newCanary(t *testing.T, lifetime time.Duration) *canary {
	t.Helper()
	c := &canary{t: t}
	token := filepath.Join(t.TempDir(), "token")
	var err error
	if c.entra, err = entra.New(entra.Options{
		Tenant: layout.AzureTenant, URL: "https://login.example", Dir: t.TempDir(), Lifetime: lifetime,
		Apps: []entra.App{{ClientID: layout.AzureClientID, ObjectID: layout.AzureObjectID, Federated: []entra.Federated{{Subject: "canary"}}}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.entra.WriteSubjectToken(token, layout.AzureClientID); err != nil {
		t.Fatal(err)
	}
	rows, err := store.Open(store.Options{Tables: tables()})
	if err != nil {
		t.Fatal(err)
	}
	c.insights = insights.New(insights.Options{
		InstrumentationKey: layout.AzureInstrumentationKey, Component: layout.AzureComponent, Workspace: layout.AzureWorkspace,
		Store: rows, Verify: (&Azure{entra: c.entra}).verify(entra.LogsAudience),
	})
	c.wire.Handle("login.example", c.entra.Handler())
	c.wire.Handle("logs.example", c.insights.Query())

	cloud, err := productazure.NewCloud("", productazure.Endpoints{Authority: "https://login.example", Logs: "https://logs.example/v1"})
	if err != nil {
		t.Fatal(err)
	}
	client, err := cloud.ClientOptions("")
	if err != nil {
		t.Fatal(err)
	}
	client.Transport = &c.wire
	cred, _, err := productazure.Credential(productazure.Options{
		Cloud: cloud, Client: client, Tenant: layout.AzureTenant, ClientID: layout.AzureClientID, TokenFile: token, Getenv: func(string) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	logs, err := loganalytics.NewClient(cred, loganalytics.Options{Workspace: layout.AzureWorkspace, Client: client})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c.source = loganalytics.NewSource(logs, loganalytics.Spec{Slot: "tostring(Properties.slot)", Batch: 10 * time.Second}, nil, nil,
		loganalytics.Release{Candidate: "green", Production: "blue", Since: now, ProductionSince: now.Add(-time.Hour)})
	return c
}

// send sends one request of each slot.
func (c *canary) send() {
	c.t.Helper()
	c.sent++
	var lines []string
	for _, slot := range []string{"blue", "green"} {
		lines = append(lines, fmt.Sprintf(`{"name":"n","time":%q,"iKey":%q,"tags":{"ai.cloud.role":"shop","ai.operation.id":"%s-%d"},"data":{"baseType":"RequestData","baseData":{"ver":2,"id":"%s-%d","name":"GET /","duration":"00:00:00.010","responseCode":"200","success":true,"properties":{"slot":%q}}}}`,
			time.Now().UTC().Format(time.RFC3339Nano), layout.AzureInstrumentationKey, slot, c.sent, slot, c.sent, slot))
	}
	rec := httptest.NewRecorder()
	c.insights.Ingestion().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/v2.1/track", strings.NewReader(strings.Join(lines, "\n"))))
	if rec.Code != http.StatusOK {
		c.t.Fatalf("ingestion answered %d %s", rec.Code, rec.Body)
	}
}

// run asks for a quarter of an hour. Each look must be answered, and the batches together must hold every request.
func (c *canary) run(meanwhile func(elapsed time.Duration)) {
	c.t.Helper()
	const every, lasts = 10 * time.Second, 15 * time.Minute
	for elapsed := time.Duration(0); elapsed < lasts; elapsed += every {
		c.send()
		time.Sleep(every / 2)
		meanwhile(elapsed)
		time.Sleep(every / 2)
		c.look(elapsed)
	}
	time.Sleep(time.Minute)
	c.look(lasts)
	if c.counted != c.sent {
		c.t.Errorf("%d requests of the candidate were counted, but %d were sent", c.counted, c.sent)
	}
}

func (c *canary) look(elapsed time.Duration) {
	c.t.Helper()
	look, err := c.source.Look(c.t.Context())
	if err != nil {
		c.t.Errorf("the look after %s was not answered: %v", elapsed, err)
	}
	for _, b := range look.Batches {
		c.counted += b.Sum(evidence.RequestsFailed, "green").Trials
	}
}

func TestATokenOfFiveMinutesIsRenewedInACanaryOfFifteen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCanary(t, 5*time.Minute)
		c.run(func(time.Duration) {})
		if n := c.entra.Issued(); n < 3 {
			t.Errorf("%d tokens of 5 minutes for 15 minutes", n)
		}
		t.Logf("%d tokens for %d queries, %d of which were refused", c.entra.Issued(), c.wire.Count("logs.example"), c.entra.Refused())
	})
}

// A token may end before its time: an account is changed, or the clocks of runner and service differ.
func TestATokenThatIsRevokedInACanaryIsRenewedWithinTheLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCanary(t, time.Hour)
		revoked := 0
		c.run(func(elapsed time.Duration) {
			if elapsed%(4*time.Minute) == 2*time.Minute {
				revoked++
				c.entra.Revoke()
			}
		})
		if issued, refused := c.entra.Issued(), c.entra.Refused(); revoked != 4 || issued != revoked+1 || refused != revoked {
			t.Errorf("revoked %d times: %d tokens were issued and %d queries refused; want one renewal for each", revoked, issued, refused)
		}
	})
}

// When Entra is away, a token that is still good goes on being used; after its end each look says why it has no answer, and the
// first after Entra is back is answered in full.
func TestEntraMayBeAwayForAWhileInACanary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCanary(t, 20*time.Minute)
		c.send()
		c.look(0)
		c.wire.Handle("login.example", nil)
		for began := time.Now(); time.Since(began) < 19*time.Minute; {
			time.Sleep(10 * time.Second)
			c.send()
			c.look(time.Since(began)) // it may take some seconds: in the last minutes a new token is tried for
		}
		time.Sleep(2 * time.Minute)
		c.send()
		if _, err := c.source.Look(t.Context()); err == nil || !strings.Contains(err.Error(), "no token") || !strings.Contains(err.Error(), "Entra cannot be reached") {
			t.Errorf("without a token: %v", err)
		}
		c.wire.Handle("login.example", c.entra.Handler())
		time.Sleep(time.Minute)
		c.look(23 * time.Minute)
		if c.counted != c.sent {
			t.Errorf("%d requests of the candidate were counted, but %d were sent", c.counted, c.sent)
		}
	})
}

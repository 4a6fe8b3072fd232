package loganalytics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/monitor/query/azlogs"

	"github.com/slipway-cd/slipway/internal/azure"
)

const workspace = "00000000-0000-4000-8000-000000000030"

// token is a credential that has one, or none.
type token struct{ err error }

func (t token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, t.err
}

func newClient(t *testing.T, cred azcore.TokenCredential, answer http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewTLSServer(answer)
	t.Cleanup(srv.Close)
	c, err := NewClient(cred, Options{Workspace: workspace, Client: azcore.ClientOptions{
		Transport: srv.Client(), Retry: policy.RetryOptions{MaxRetries: 2, RetryDelay: time.Microsecond, MaxRetryDelay: time.Millisecond},
		Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			azlogs.ServiceName: {Endpoint: srv.URL + "/v1", Audience: "https://api.loganalytics.io"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func TestAnAnswersColumnsAndRowsAreRead(t *testing.T) {
	var got *http.Request
	c := newClient(t, token{}, func(w http.ResponseWriter, r *http.Request) {
		got = r
		says(200, `{"tables":[{"name":"PrimaryResult","columns":[{"name":"slot","type":"string"},{"name":"n","type":"long"}],"rows":[["blue",7],["green",null]]}]}`)(w, r)
	})
	a, err := c.Query(t.Context(), "AppRequests")
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Columns) != 2 || a.Columns[1] != (Column{"n", "long"}) || len(a.Rows) != 2 || a.Rows[0][1] != 7.0 || a.Rows[1][1] != nil {
		t.Errorf("%+v", a)
	}
	if got.URL.Path != "/v1/workspaces/"+workspace+"/query" || !strings.Contains(got.Header.Get("Prefer"), "wait=60") {
		t.Errorf("%s, Prefer %q", got.URL, got.Header.Get("Prefer"))
	}
}

func TestEachFailureOfAQueryIsToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		cred   azcore.TokenCredential
		answer http.HandlerFunc
		kind   Kind
		final  bool
		says   string
	}{
		"wrong column": {token{}, says(400, `{"error":{"code":"BadArgumentError","message":"The request had some invalid properties","innererror":{"code":"SemanticError","message":"A semantic error occurred.","innererror":{"code":"SEM0100","message":"'where' operator: Failed to resolve column named 'Nope'","line":3,"pos":9}}}}`),
			Wrong, true, "line 3, column 10: 'where' operator: Failed to resolve column named 'Nope'"},
		"its place once": {token{}, says(400, `{"error":{"code":"BadArgumentError","message":"m","innererror":{"code":"SEM0100","message":"no column Nope, at line [2,8]","line":2,"pos":8}}}`),
			Wrong, true, "line 2, column 9: no column Nope"},
		"no permission": {token{}, says(403, `{"error":{"code":"InsufficientAccessError","message":"The provided credentials have insufficient access to perform the requested operation"}}`),
			Forbidden, true, "insufficient access"},
		"no workspace": {token{}, says(404, `{"error":{"code":"PathNotFoundError","message":"The requested path does not exist"}}`), NoWorkspace, true, workspace},
		"throttled":    {token{}, says(429, `{"error":{"code":"ThrottledError","message":"Rate limit is exceeded"}}`), Throttled, false, "Rate limit is exceeded"},
		"down":         {token{}, says(503, `down`), Unavailable, false, "HTTP 503"},
		"too slow":     {token{}, says(504, `{"error":{"code":"GatewayTimeout","message":"took too long"}}`), Unavailable, false, "took too long"},
		"partial": {token{}, says(200, `{"tables":[{"name":"PrimaryResult","columns":[],"rows":[]}],"error":{"code":"PartialError","message":"There were some errors when processing your query.","details":[]}}`),
			Partial, false, "partial result"},
		"no identity": {token{&azure.IdentityError{Message: "Entra said no"}}, says(200, `{}`), NoToken, false, "Entra said no"},
		"no table":    {token{}, says(200, `{"tables":[]}`), Unavailable, false, "no table PrimaryResult"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, c.cred, c.answer).Query(t.Context(), "AppRequests")
			var q *QueryError
			if !errors.As(err, &q) || q.Kind != c.kind || q.Final() != c.final || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "at line [") {
				t.Errorf("%v (%+v)", err, q)
			}
		})
	}
}

func TestWhatMaySucceedIsAskedAgainWithinTheQuery(t *testing.T) {
	var calls atomic.Int32
	c := newClient(t, token{}, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) < 3 {
			says(503, "down")(w, r)
			return
		}
		says(200, `{"tables":[{"name":"PrimaryResult","columns":[],"rows":[]}]}`)(w, r)
	})
	if _, err := c.Query(t.Context(), "AppRequests"); err != nil || calls.Load() != 3 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}

func TestAPartialAnswerIsAskedForAgain(t *testing.T) {
	const whole = `{"tables":[{"name":"PrimaryResult","columns":[{"name":"n","type":"long"}],"rows":[[7]]}]`
	var calls atomic.Int32
	c := newClient(t, token{}, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) < 3 {
			says(200, whole+`,"error":{"code":"PartialError","message":"There were some errors when processing your query."}}`)(w, r)
			return
		}
		says(200, whole+"}")(w, r)
	})
	if a, err := c.Query(t.Context(), "AppRequests"); err != nil || calls.Load() != 3 || len(a.Rows) != 1 {
		t.Errorf("%+v, %v after %d calls", a, err, calls.Load())
	}
}

// shortLived gives tokens that are of no use any more soon.
type shortLived struct{ given *atomic.Int32 }

func (s shortLived) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: fmt.Sprint(s.given.Add(1)), ExpiresOn: time.Now()}, nil
}

func TestATokenThatHasExpiredIsRenewed(t *testing.T) {
	var given atomic.Int32
	c := newClient(t, shortLived{&given}, func(w http.ResponseWriter, r *http.Request) {
		if want := fmt.Sprintf("Bearer %d", given.Load()); r.Header.Get("Authorization") != want {
			says(401, `{"error":{"code":"TokenExpired","message":"the token has expired"}}`)(w, r)
			return
		}
		says(200, `{"tables":[{"name":"PrimaryResult","columns":[],"rows":[]}]}`)(w, r)
	})
	for n := range 3 {
		if _, err := c.Query(t.Context(), "AppRequests"); err != nil {
			t.Errorf("query %d: %v", n+1, err)
		}
	}
	if given.Load() != 3 {
		t.Errorf("%d tokens for 3 queries, each after the token before had expired", given.Load())
	}
}

func TestAQueryEndsWithItsContext(t *testing.T) {
	held := make(chan struct{})
	c := newClient(t, token{}, func(http.ResponseWriter, *http.Request) { <-held })
	defer close(held)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Query(ctx, "AppRequests")
	var q *QueryError
	if !errors.As(err, &q) || q.Kind != Unavailable || q.Message != "no answer in time" {
		t.Errorf("%v", err)
	}
}

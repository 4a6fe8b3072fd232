package azure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/monitor/query/azlogs"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/applicationinsights/armapplicationinsights"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
	"github.com/slipway-cd/slipway/sandbox/internal/layout"
)

// clientsDir has Microsoft's npm packages and the scripts that use them.
const clientsDir = "../../../tools/azureclients"

// node runs one of the scripts and gives what it printed. Where the packages
// are not installed the test is skipped; with CI=true that is a failure.
func node(t *testing.T, a *Azure, script string, args ...string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(clientsDir, "node_modules")); err != nil {
		const notice = "*** SKIPPED: Microsoft's npm packages are not installed; `npm ci` in tools/azureclients does it ***"
		if os.Getenv("CI") == "true" {
			t.Fatal(notice)
		}
		t.Skip(notice)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{script}, args...)...)
	cmd.Dir = clientsDir
	connection := a.Client().ConnectionString
	if script == "ingest-otel.js" {
		connection = a.Client().ConnectionStringTLS
	}
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "NODE_EXTRA_CA_CERTS=" + a.Client().CA,
		"APPLICATIONINSIGHTS_CONNECTION_STRING=" + connection, "APPLICATION_INSIGHTS_NO_STATSBEAT=true",
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s\n%s", script, err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// sdk is how Microsoft's Go clients are told where the stand-in is, and their
// credential: workload identity.
func sdk(t *testing.T, a *Azure) (azcore.ClientOptions, azcore.TokenCredential) {
	t.Helper()
	c := a.Client()
	options := azcore.ClientOptions{
		Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: c.Authority,
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				azlogs.ServiceName:    {Audience: entra.LogsAudience, Endpoint: c.Query},
				cloud.ResourceManager: {Audience: entra.ARMAudience, Endpoint: c.ResourceManager},
			},
		},
		Transport: trusting(t, c.CA),
		Retry:     policy.RetryOptions{MaxRetries: -1},
	}
	credential, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: options, ClientID: c.ClientID, TenantID: c.Tenant, TokenFilePath: c.TokenFile, DisableInstanceDiscovery: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return options, credential
}

// logs is Microsoft's Go client of the query API.
func logs(t *testing.T, a *Azure) *azlogs.Client {
	t.Helper()
	options, credential := sdk(t, a)
	client, err := azlogs.NewClient(credential, &azlogs.ClientOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// trusting is an HTTP client that trusts one more authority.
func trusting(t *testing.T, ca string) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("%s has no certificate", ca)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// query asks with the Go client, and writes a row a line.
func query(t *testing.T, a *Azure, kql string) string {
	t.Helper()
	resp, err := logs(t, a).QueryWorkspace(t.Context(), a.Client().Workspace, azlogs.QueryBody{Query: &kql}, nil)
	if err != nil {
		t.Fatalf("%s: %v", kql, err)
	}
	if resp.Error != nil || len(resp.Tables) != 1 {
		t.Fatalf("%s: %+v", kql, resp)
	}
	var lines []string
	for _, row := range resp.Tables[0].Rows {
		raw, err := json.Marshal([]any(row))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(raw))
	}
	return strings.Join(lines, "\n")
}

// compare runs queries and compares their rows.
func compare(t *testing.T, a *Azure, cases [][2]string) {
	t.Helper()
	for _, c := range cases {
		if got := query(t, a, c[0]); got != c[1] {
			t.Errorf("%s\ngot  %s\nwant %s", c[0], got, c[1])
		}
	}
}

func TestTheClassicNodeSDKIsUnderstood(t *testing.T) {
	a, _ := start(t, config(t))
	if got := node(t, a, "ingest-v2.js", "run1"); !strings.Contains(got, `"itemsReceived":8,"itemsAccepted":8`) {
		t.Fatalf("the SDK got %s", got)
	}
	compare(t, a, [][2]string{
		{`AppRequests | project Id, Name, Url, DurationMs, ResultCode, Success, OperationId, tostring(Properties.slot), tostring(Properties.run), AppRoleName, AppRoleInstance, AppVersion, ItemCount, Type`,
			`["r1","GET /cart","http://shop/cart",123.4,"500",false,"0123456789abcdef0123456789abcdef","green","run1","shop-api","pod-1","1.4.2",1,"AppRequests"]`},
		{`AppDependencies | project Name, Data, Target, DurationMs, ResultCode, Success, DependencyType`, `["SELECT","select 1","sql1",7,"0",true,"SQL"]`},
		{`AppExceptions | project ExceptionType, OuterMessage, SeverityLevel, array_length(Details) == 1`, `["Error","boom",3,true]`},
		{`AppEvents | project Name, toreal(Measurements.m)`, `["Deployed",1]`},
		{`AppMetrics | project Name, Sum, Min, Max, ItemCount`, `["queueDepth",3,3,3,1]`},
		{`AppTraces | project Message, SeverityLevel`, `["hello",2]`},
		{`AppAvailabilityResults | project Id, Name, DurationMs, Success, Location, Message`, `["a1","smoke",50,true,"weu","ok"]`},
		{`AppPageViews | project Name, Url, DurationMs`, `["Home","http://shop/",250]`},
	})
}

func TestTheOpenTelemetryDistributionIsUnderstood(t *testing.T) {
	a, _ := start(t, config(t))
	node(t, a, "ingest-otel.js", "run2")
	compare(t, a, [][2]string{
		{`AppRequests | summarize count(), countif(not(Success)), take_any(Name), dcount(OperationId) by ResultCode, slot = tostring(Properties.slot), AppRoleName, AppVersion | order by ResultCode asc`,
			"[\"200\",\"green\",\"shop.shop-api\",\"1.4.2\",40,0,\"GET /cart\",40]\n[\"500\",\"green\",\"shop.shop-api\",\"1.4.2\",10,10,\"GET /cart\",10]"},
		{`AppDependencies | join kind=inner (AppRequests) on $left.ParentId == $right.Id | summarize count() by DependencyType, Target`, `["SQL","sql1",50]`},
		{`AppExceptions | summarize count() by OuterMessage`, `["boom",10]`},
		{`AppTraces | project Message, SeverityLevel`, `["hello",2]`},
		{`AppMetrics | where Name == "queueDepth" | project Sum, ItemCount`, `[3,1]`},
	})
}

func TestSampledTelemetryCountsAsMore(t *testing.T) {
	a, _ := start(t, config(t))
	node(t, a, "ingest-otel.js", "run3", "0.5")
	var n, items float64
	if _, err := fmt.Sscanf(query(t, a, `AppRequests | summarize count(), sum(ItemCount)`), "[%g,%g]", &n, &items); err != nil {
		t.Fatal(err)
	}
	if n == 0 || n >= 50 || items != 2*n {
		t.Errorf("%v of 50 requests were kept and stand for %v", n, items)
	}
}

// nodeResult is what query.js prints.
type nodeResult struct {
	Status     string
	HTTPStatus int `json:"httpStatus"`
	Code       string
	Message    string
	Tables     []struct {
		Name    string
		Columns []struct{ Name, Type string } `json:"columnDescriptors"`
		Rows    [][]any
	}
	Statistics json.RawMessage
	Error      struct{ Code, Message string }
}

func nodeQuery(t *testing.T, a *Azure, kql string) nodeResult {
	t.Helper()
	var r nodeResult
	out := node(t, a, "query.js", filepath.Join(a.config.Dir, "azure.json"), kql)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r
}

func TestTheNodeQueryClientIsAnswered(t *testing.T) {
	a, _ := start(t, config(t))
	r := nodeQuery(t, a, `print n = 42, x = 1.5, s = "text", b = true, d = dynamic({"a":[1]}), t = datetime(2026-11-22T18:00:00Z)`)
	if r.Status != "Success" || len(r.Tables) != 1 || r.Tables[0].Name != "PrimaryResult" || !strings.Contains(string(r.Statistics), "executionTime") {
		t.Fatalf("%+v", r)
	}
	if got := fmt.Sprint(r.Tables[0].Rows); got != "[[42 1.5 text true map[a:[1]] 2026-11-22T18:00:00.000Z]]" {
		t.Errorf("rows are %s", got)
	}
	control(t, a, http.MethodPut, "query/fault", `{"rate":1,"partial":true,"times":1}`)
	if r = nodeQuery(t, a, "range x from 1 to 4 step 1"); r.Status != "PartialFailure" || len(r.Tables[0].Rows) != 2 || r.Error.Code != "PartialError" {
		t.Errorf("a partial answer is %+v", r)
	}
	if r = nodeQuery(t, a, "Nothings | count"); r.HTTPStatus != 400 || r.Code != "BadArgumentError" {
		t.Errorf("a wrong query gives %+v", r)
	}
}

func TestTheGoQueryClientIsAnswered(t *testing.T) {
	a, _ := start(t, config(t))
	client := logs(t, a)
	ask := func(workspace, kql string) (azlogs.QueryWorkspaceResponse, error) {
		statistics := true
		return client.QueryWorkspace(t.Context(), workspace, azlogs.QueryBody{Query: &kql},
			&azlogs.QueryWorkspaceOptions{Options: &azlogs.QueryOptions{Statistics: &statistics}})
	}
	resp, err := ask(a.Client().Workspace, `print n = 42, d = datetime(2026-11-22)`)
	if err != nil || len(resp.Tables) != 1 || fmt.Sprint(resp.Tables[0].Rows) != "[[42 2026-11-22T00:00:00Z]]" || len(resp.Statistics) == 0 {
		t.Errorf("%+v %v", resp, err)
	}
	for _, c := range []struct {
		workspace, kql, rule string
		status               int
		code, body           string
	}{
		{a.Client().Tenant, "print 1", "", 404, "PathNotFoundError", "does not exist"},
		{a.Client().Workspace, "AppRequests | where Nope == 1", "", 400, "BadArgumentError", "Nope"},
		{a.Client().Workspace, "print 1", `{"rate":1,"status":403}`, 403, "InsufficientAccessError", "sufficient"},
		{a.Client().Workspace, "print 1", `{"rate":1,"status":429,"retryAfter":"1s"}`, 429, "ThrottledError", "Rate limit"},
		{a.Client().Workspace, "print 1", `{"rate":1,"status":504}`, 504, "GatewayTimeout", "timeout"},
	} {
		control(t, a, http.MethodDelete, "query/fault", "")
		if c.rule != "" {
			control(t, a, http.MethodPut, "query/fault", c.rule)
		}
		_, err := ask(c.workspace, c.kql)
		var refused *azcore.ResponseError
		if !errors.As(err, &refused) || refused.StatusCode != c.status || refused.ErrorCode != c.code || !strings.Contains(refused.Error(), c.body) {
			t.Errorf("%s %s: %v", c.kql, c.rule, err)
		}
	}
	control(t, a, http.MethodPut, "query/fault", `{"rate":1,"partial":true}`)
	if resp, err = ask(a.Client().Workspace, "range x from 1 to 4 step 1"); err != nil || resp.Error == nil || len(resp.Tables[0].Rows) != 2 {
		t.Errorf("a partial answer: %+v %v", resp, err)
	}
}

func TestATokenForAnotherServiceIsRefused(t *testing.T) {
	a, _ := start(t, config(t))
	c := a.Client()
	client := trusting(t, c.CA)
	_, credential := sdk(t, a)
	for scope, want := range map[string]string{
		entra.LogsAudience:  `"tables":[`,
		entra.VaultAudience: `"code":"InvalidAuthenticationTokenAudience"`,
	} {
		token, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope + "/.default"}})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Query+"/workspaces/"+c.Workspace+"/query?query=print%201", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token.Token)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("a token for %s: %s %s %v", scope, resp.Status, body, err)
		}
	}
}

func TestTheGoClientWritesAnnotations(t *testing.T) {
	a, _ := start(t, config(t))
	options, credential := sdk(t, a)
	client, err := armapplicationinsights.NewAnnotationsClient(layout.AzureSubscription, credential,
		&arm.ClientOptions{ClientOptions: options, DisableRPRegistration: true})
	if err != nil {
		t.Fatal(err)
	}
	when := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	annotation := armapplicationinsights.Annotation{
		AnnotationName: to.Ptr("v2 promoted"), Category: to.Ptr("Deployment"), EventTime: &when,
		ID: to.Ptr("11111111-0000-4000-8000-000000000001"), Properties: to.Ptr(`{"slot":"green"}`),
	}
	resp, err := client.Create(t.Context(), "sandbox", "sandbox", annotation, nil)
	if err != nil || len(resp.AnnotationArray) != 1 || *resp.AnnotationArray[0].AnnotationName != "v2 promoted" {
		t.Fatalf("%+v %v", resp, err)
	}
	if got := control(t, a, http.MethodGet, "annotations", ""); !strings.Contains(got, `"AnnotationName":"v2 promoted"`) {
		t.Errorf("the stand-in has %s", got)
	}
	var refused *azcore.ResponseError
	if _, err := client.Create(t.Context(), "sandbox", "sandbox", annotation, nil); !errors.As(err, &refused) || refused.StatusCode != http.StatusConflict {
		t.Errorf("the same again: %v", err)
	}
	if _, err := client.Create(t.Context(), "sandbox", "other", annotation, nil); !errors.As(err, &refused) || refused.ErrorCode != "ResourceNotFound" {
		t.Errorf("another component: %v", err)
	}
}

func TestTheVaultKeepsWhatTheGoClientSets(t *testing.T) {
	c := config(t)
	a, stop := start(t, c)
	secrets := func(a *Azure) *azsecrets.Client {
		options, credential := sdk(t, a)
		client, err := azsecrets.NewClient(a.Client().Vault, credential,
			&azsecrets.ClientOptions{ClientOptions: options, DisableChallengeResourceVerification: true})
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	if _, err := secrets(a).SetSecret(t.Context(), "redis-host", azsecrets.SetSecretParameters{Value: to.Ptr("10.123.0.1")}, nil); err != nil {
		t.Fatal(err)
	}
	stop()
	b, _ := start(t, c)
	got, err := secrets(b).GetSecret(t.Context(), "redis-host", "", nil)
	if err != nil || *got.Value != "10.123.0.1" {
		t.Errorf("after a restart: %+v %v", got, err)
	}
	control(t, b, http.MethodPut, "vault/fault", `{"rate":1,"status":403}`)
	var refused *azcore.ResponseError
	if _, err := secrets(b).GetSecret(t.Context(), "redis-host", "", nil); !errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden {
		t.Errorf("with a fault: %v", err)
	}
}

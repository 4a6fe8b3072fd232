package vault

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// empty is a vault that holds nothing, and says so as Key Vault may: of a name that it does not have there are no versions.
type empty struct{}

func (empty) Do(r *http.Request) (*http.Response, error) {
	code, body := http.StatusOK, `{"value":[],"nextLink":null}`
	if !strings.HasPrefix(r.URL.Path, "/secrets") {
		code, body = http.StatusNotFound, `{"error":{"code":"SecretNotFound","message":"not found"}}`
	}
	return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// nobody needs no token: the vault above does not ask for one.
type nobody struct{}

func (nobody) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.New("no token was wanted")
}

func TestAVariableWithoutVersionsIsMissing(t *testing.T) {
	k, err := NewKeyVault(KeyVaultOptions{URL: "https://dev1.vault.example", Credential: nobody{}, Client: azcore.ClientOptions{Transport: empty{}}, AnyHost: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Versions(t.Context(), []Ref{{Name: "redis-host"}})
	var all *ReadError
	if !errors.As(err, &all) || all.Problems[0].Reason != Missing || !strings.Contains(err.Error(), "redis-host does not exist") {
		t.Errorf("got %v", err)
	}
	if err := k.CanList(t.Context()); err != nil {
		t.Errorf("an empty list was listed: %v", err)
	}
}

// What two reads lack is one answer; a vault that does not answer is told before.
func TestErrorsOfTwoReadsAreOne(t *testing.T) {
	open, sealed := readError("v", 2, []Problem{{Ref: Ref{Name: "b"}, Detail: "b is not there"}}), readError("v", 1, []Problem{{Ref: Ref{Name: "a"}, Detail: "a is not there"}})
	down := &StoreError{Store: "v", Message: "is down"}
	for name, c := range map[string]struct {
		a, b error
		says string
	}{
		"both lack something":  {open, sealed, "2 of 3 variables cannot be read from v:\n  - a is not there\n  - b is not there"},
		"one lacks something":  {nil, sealed, "1 of 1 variables"},
		"the other":            {open, nil, "1 of 2 variables"},
		"one does not answer":  {down, sealed, "v: is down"},
		"the other, of course": {open, down, "v: is down"},
	} {
		if err := together(c.a, c.b); err == nil || !strings.HasPrefix(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := together(nil, nil); err != nil {
		t.Error(err)
	}
}

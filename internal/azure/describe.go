package azure

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Identity is who Entra takes this process for.
type Identity struct {
	// ObjectID is what roles are assigned to.
	ObjectID string `json:"objectID"`
	Tenant   string `json:"tenant"`
	// ClientID is the application's; for a person that of the program that logged in.
	ClientID string `json:"clientID"`
	// Name is a person's user name; empty for applications and managed identities.
	Name string `json:"name,omitempty"`
	// Expires is when the token ends that said so.
	Expires time.Time `json:"expires"`
}

func (i Identity) String() string {
	who := "client " + i.ClientID
	if i.Name != "" {
		who = i.Name
	}
	return fmt.Sprintf("%s, object id %s, tenant %s", who, i.ObjectID, i.Tenant)
}

// Describe asks Entra for a token for Azure Resource Manager and reads in it who this process is. The token itself is not
// checked: that is the business of those it is shown to.
func Describe(ctx context.Context, cred azcore.TokenCredential, c Cloud) (Identity, error) {
	token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{Scope(c.Management.Audience)}})
	if err != nil {
		return Identity{}, err
	}
	return describe(token.Token)
}

// Scope asks for a token for an audience, which may end in a slash: Entra keeps it then.
func Scope(audience string) string { return audience + "/.default" }

func describe(token string) (Identity, error) {
	_, rest, ok := strings.Cut(token, ".")
	payload, _, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 {
		return Identity{}, fmt.Errorf("the access token is no JSON Web Token, so it does not say who this is")
	}
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return Identity{}, fmt.Errorf("reading the access token: %w", err)
	}
	var claims struct {
		Oid, Tid, Appid, Azp string
		UPN                  string `json:"upn"`
		UniqueName           string `json:"unique_name"`
		PreferredUsername    string `json:"preferred_username"`
		Exp                  int64
	}
	if err := json.Unmarshal(raw, &claims); err != nil {
		return Identity{}, fmt.Errorf("reading the access token: %w", err)
	}
	return Identity{
		ObjectID: claims.Oid, Tenant: claims.Tid, ClientID: first(claims.Appid, claims.Azp),
		Name: first(claims.UPN, claims.PreferredUsername, claims.UniqueName), Expires: time.Unix(claims.Exp, 0).UTC(),
	}, nil
}

package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-cd/slipway/internal/secret"
)

// parallel bounds the requests that are under way at once.
const parallel = 8

// KeyVaultOptions are those of [NewKeyVault].
type KeyVaultOptions struct {
	// URL of the vault, checked: https, and a host that may be given a token.
	URL        string
	Credential azcore.TokenCredential
	// Client is how it is reached and how often is tried again.
	Client azcore.ClientOptions
	// AnyHost lets a vault name another domain than its own as the one that tokens are for. Only a private cloud needs it.
	AnyHost bool
	// Now is the clock for expiry; default time.Now.
	Now func() time.Time
}

// KeyVault is an Azure Key Vault. It is safe for concurrent use. Its tests are where the stand-in is, in
// sandbox/internal/azure/keyvault.
type KeyVault struct {
	url    string
	client *azsecrets.Client
	now    func() time.Time

	mu sync.Mutex
	// pinned has what was read by version, which never changes.
	pinned map[Ref]Value
}

var _ Reader = (*KeyVault)(nil)

// NewKeyVault makes a client of a vault. It asks nothing yet.
func NewKeyVault(o KeyVaultOptions) (*KeyVault, error) {
	client, err := azsecrets.NewClient(o.URL, o.Credential, &azsecrets.ClientOptions{ClientOptions: o.Client, DisableChallengeResourceVerification: o.AnyHost})
	if err != nil {
		return nil, fmt.Errorf("making a client of the vault %s: %w", o.URL, err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &KeyVault{url: o.URL, client: client, now: o.Now, pinned: map[Ref]Value{}}, nil
}

// Read implements [Reader]: all at once, at most eight requests under way. A request that is throttled or fails for the
// moment is tried again as the client's options say.
func (k *KeyVault) Read(ctx context.Context, refs []Ref) (Values, error) {
	return k.read(ctx, refs, k.get)
}

// read asks for every variable by get.
func (k *KeyVault) read(ctx context.Context, refs []Ref, get func(context.Context, Ref) (Value, error)) (Values, error) {
	refs, problems := distinct(refs)
	if len(problems) > 0 {
		return nil, readError(k.url, len(refs), problems)
	}
	values := Values{}
	var absent []Ref
	var mu sync.Mutex
	group, all := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, ref := range refs {
		group.Go(func() error {
			value, err := get(all, ref)
			problem, fatal := k.classify(all, ref, err)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case fatal != nil:
				return fatal
			case problem != nil && problem.Reason == Missing:
				absent = append(absent, ref)
			case problem != nil:
				problems = append(problems, *problem)
			default:
				if problem := expired(ref, value, k.now()); problem != nil {
					problems = append(problems, *problem)
				}
				values[ref] = value
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	absences, err := k.absences(ctx, absent)
	if err != nil {
		return nil, err
	}
	if err := readError(k.url, len(refs), append(problems, absences...)); err != nil {
		return nil, err
	}
	return values, nil
}

// get reads one variable.
func (k *KeyVault) get(ctx context.Context, ref Ref) (Value, error) {
	k.mu.Lock()
	known, ok := k.pinned[ref]
	k.mu.Unlock()
	if ok {
		return known, nil
	}
	resp, err := k.client.GetSecret(ctx, ref.Name, ref.Version, nil)
	if err != nil {
		return Value{}, err
	}
	if resp.ID == nil || resp.Value == nil {
		return Value{}, errors.New("the answer has no id or no value")
	}
	value := Value{Ref: Ref{ref.Name, resp.ID.Version()}, Secret: secret.New(*resp.Value), Source: k.url, ContentType: deref(resp.ContentType), Tags: tags(resp.Tags)}
	if a := resp.Attributes; a != nil {
		value.Expires = deref(a.Expires)
		if from := deref(a.NotBefore); from.After(k.now()) {
			return Value{}, &notYet{from}
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pinned[value.Ref] = value
	return value, nil
}

// notYet is the error of a variable whose time has not come. Key Vault gives its value all the same.
type notYet struct{ from time.Time }

func (e *notYet) Error() string { return "not valid before " + e.from.Format(time.RFC3339) }

// expired is the problem of a variable whose time is over. Key Vault gives its value all the same.
func expired(ref Ref, v Value, now time.Time) *Problem {
	if v.Expires.IsZero() || v.Expires.After(now) {
		return nil
	}
	return &Problem{Ref: ref, Reason: Expired, Detail: fmt.Sprintf("%s expired on %s: set a new value (slipway vault set), or take the date away", v.Name, v.Expires.Format(time.DateOnly))}
}

// absences finds out about variables that are not there: deleted, or which names come near. What cannot be found out is
// left out.
func (k *KeyVault) absences(ctx context.Context, refs []Ref) ([]Problem, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	var known []string
	if infos, err := k.properties(ctx); err == nil {
		known = slices.Collect(maps.Keys(infos))
	} else if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	problems := make([]Problem, len(refs))
	group, all := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, ref := range refs {
		group.Go(func() error {
			problems[i] = missing(ref, known)
			deleted, err := k.client.GetDeletedSecret(all, ref.Name, nil)
			if err == nil {
				when := ""
				if deleted.DeletedDate != nil {
					when = " on " + deleted.DeletedDate.Format(time.DateOnly)
				}
				problems[i] = Problem{Ref: ref, Reason: Deleted, Detail: fmt.Sprintf("%s was deleted%s and can be recovered: az keyvault secret recover --vault-name %s --name %s", ref.Name, when, k.name(), ref.Name)}
			}
			return nil
		})
	}
	_ = group.Wait() // its functions return nil
	return problems, ctx.Err()
}

// name of the vault, for commands.
func (k *KeyVault) name() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(k.url, "https://"), ".")
	return name
}

// List gives every variable with its newest version, by name; never a value.
func (k *KeyVault) List(ctx context.Context) ([]Info, error) {
	found, err := k.properties(ctx)
	if err != nil {
		return nil, k.fatal(ctx, err)
	}
	infos := make([]Info, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		infos = append(infos, found[name])
	}
	group, all := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i := range infos {
		group.Go(func() error {
			version, err := k.newest(all, infos[i].Name)
			infos[i].Version = version
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, k.fatal(ctx, err)
	}
	return infos, nil
}

// properties of all variables, without versions.
func (k *KeyVault) properties(ctx context.Context) (map[string]Info, error) {
	infos := map[string]Info{}
	pager := k.client.NewListSecretPropertiesPager(nil)
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Value {
			if p == nil || p.ID == nil {
				continue
			}
			info := Info{Name: p.ID.Name(), ContentType: deref(p.ContentType), Tags: tags(p.Tags), Enabled: true}
			if a := p.Attributes; a != nil {
				info.Enabled, info.Expires, info.Updated = a.Enabled == nil || *a.Enabled, deref(a.Expires), deref(a.Updated)
			}
			infos[info.Name] = info
		}
	}
	return infos, nil
}

// newest is the version of a variable that was made last, or "" when two were made in the same second.
func (k *KeyVault) newest(ctx context.Context, name string) (string, error) {
	found, err := k.versionsOf(ctx, name)
	if err != nil {
		return "", err
	}
	p, alone := newestOf(found)
	if !alone {
		return "", nil
	}
	return p.ID.Version(), nil
}

// Set makes a new version of a variable and returns it.
func (k *KeyVault) Set(ctx context.Context, name string, value secret.Secret) (Ref, error) {
	if err := checkNew(name, value); err != nil {
		return Ref{}, err
	}
	text := value.Reveal()
	resp, err := k.client.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: &text}, nil)
	if err != nil {
		return Ref{}, k.fatal(ctx, err)
	}
	if resp.ID == nil {
		return Ref{Name: name}, nil
	}
	return Ref{name, resp.ID.Version()}, nil
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func tags(in map[string]*string) map[string]string {
	if len(in) == 0 {
		return nil
	}
	out := map[string]string{}
	for k, v := range in {
		out[k] = deref(v)
	}
	return out
}

package keyvault

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// stored is a secret with its versions, the oldest first.
type stored struct {
	Name     string     `json:"name"`
	Deleted  *time.Time `json:"deleted,omitempty"`
	Versions []version  `json:"versions"`
}

func (s *stored) current() *version { return &s.Versions[len(s.Versions)-1] }

type version struct {
	ID    string `json:"id"`
	Value string `json:"value"`
	Attributes
	Created time.Time `json:"created"`
}

// Attributes of a new version.
type Attributes struct {
	ContentType string            `json:"contentType,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Disabled    bool              `json:"disabled,omitempty"`
	// NotBefore and Expires are advice: the service gives the value all the same.
	NotBefore time.Time `json:"notBefore,omitzero"`
	Expires   time.Time `json:"expires,omitzero"`
}

// ErrDeleted is the error of a change to a secret that is deleted and could be recovered.
var ErrDeleted = errors.New("the secret is deleted but recoverable, so its name cannot be used again")

func (v *Vault) file() string { return filepath.Join(v.options.Dir, "secrets.json") }

func (v *Vault) load() error {
	v.secrets = map[string]*stored{}
	raw, err := os.ReadFile(v.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the vault: %w", err)
	}
	if err := json.Unmarshal(raw, &v.secrets); err != nil {
		return fmt.Errorf("read the vault %s: %w; remove the file to begin with an empty one", v.file(), err)
	}
	for name, s := range v.secrets {
		if s == nil || len(s.Versions) == 0 {
			return fmt.Errorf("read the vault %s: the secret %s has no version; remove the file to begin with an empty one", v.file(), name)
		}
	}
	return nil
}

// save writes all secrets, in one step.
func (v *Vault) save() error {
	raw, err := json.Marshal(v.secrets)
	if err != nil {
		return fmt.Errorf("write the vault: %w", err)
	}
	if err := os.MkdirAll(v.options.Dir, 0o700); err != nil {
		return fmt.Errorf("write the vault: %w", err)
	}
	if err := os.WriteFile(v.file()+".new", raw, 0o600); err != nil {
		return fmt.Errorf("write the vault: %w", err)
	}
	if err := os.Rename(v.file()+".new", v.file()); err != nil {
		return fmt.Errorf("write the vault: %w", err)
	}
	return nil
}

// Set makes a new version of a secret and returns its id.
func (v *Vault) Set(name, value string, a Attributes) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, err := v.put(name, value, a)
	if err != nil {
		return "", err
	}
	return s.current().ID, nil
}

// Seed sets a secret unless there is, or was, one of that name: what a person
// changed or deleted since stays so.
func (v *Vault) Seed(name, value string, a Attributes) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.secrets[strings.ToLower(name)] != nil {
		return nil
	}
	_, err := v.put(name, value, a)
	return err
}

// put is Set, for those who have the lock.
func (v *Vault) put(name, value string, a Attributes) (*stored, error) {
	if !secretName.MatchString(name) || len(value) > MaxValue {
		return nil, fmt.Errorf("the service refuses a secret %q of %d bytes", name, len(value))
	}
	key := strings.ToLower(name)
	s := v.secrets[key]
	if s == nil {
		s = &stored{Name: name}
	}
	if s.Deleted != nil {
		return nil, ErrDeleted
	}
	var id [16]byte
	rand.Read(id[:]) // never fails: it ends the program instead
	before := s.Versions
	s.Versions = append(slices.Clip(before), version{ID: hex.EncodeToString(id[:]), Value: value, Attributes: a, Created: v.options.Now().UTC().Truncate(time.Second)})
	v.secrets[key] = s
	if err := v.save(); err != nil {
		if s.Versions = before; len(before) == 0 {
			delete(v.secrets, key)
		}
		return nil, err
	}
	return s, nil
}

// Delete deletes a secret softly, as the service always does. It says whether there was one.
func (v *Vault) Delete(name string) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.live(name)
	if s == nil {
		return false, nil
	}
	return true, v.drop(s)
}

func (v *Vault) drop(s *stored) error {
	now := v.options.Now().UTC().Truncate(time.Second)
	s.Deleted = &now
	if err := v.save(); err != nil {
		s.Deleted = nil
		return err
	}
	return nil
}

// live is a secret that is not deleted, or nil.
func (v *Vault) live(name string) *stored {
	if s := v.secrets[strings.ToLower(name)]; s != nil && s.Deleted == nil {
		return s
	}
	return nil
}

// names of the secrets that are not deleted, in order.
func (v *Vault) names() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(v.secrets)), func(name string) bool { return v.secrets[name].Deleted != nil })
}

package keyvault

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bundle is a secret on the wire; without its value it is an item of a list.
type bundle struct {
	Value       *string           `json:"value,omitempty"`
	ID          string            `json:"id"`
	ContentType string            `json:"contentType,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Attributes  wireAttributes    `json:"attributes"`
	// Of deleted secrets.
	RecoveryID string `json:"recoveryId,omitempty"`
	Deleted    int64  `json:"deletedDate,omitempty"`
	Purge      int64  `json:"scheduledPurgeDate,omitempty"`
}

// wireAttributes have times in seconds since 1970.
type wireAttributes struct {
	Enabled         *bool  `json:"enabled,omitempty"`
	NotBefore       *int64 `json:"nbf,omitempty"`
	Expires         *int64 `json:"exp,omitempty"`
	Created         int64  `json:"created,omitempty"`
	Updated         int64  `json:"updated,omitempty"`
	RecoveryLevel   string `json:"recoveryLevel,omitempty"`
	RecoverableDays int    `json:"recoverableDays,omitempty"`
}

// recoverableDays is how long a deleted secret can be recovered; the service's default.
const recoverableDays = 90

func (v *Vault) bundle(s *stored, n *version, id string) bundle {
	enabled := !n.Disabled
	b := bundle{ID: id, ContentType: n.ContentType, Tags: n.Tags, Attributes: wireAttributes{
		Enabled: &enabled, NotBefore: unix(n.NotBefore), Expires: unix(n.Expires), Created: n.Created.Unix(), Updated: n.Created.Unix(),
		RecoveryLevel: "Recoverable+Purgeable", RecoverableDays: recoverableDays,
	}}
	if s.Deleted != nil {
		b.RecoveryID = v.options.URL + "/deletedsecrets/" + s.Name
		b.Deleted, b.Purge = s.Deleted.Unix(), s.Deleted.AddDate(0, 0, recoverableDays).Unix()
	}
	return b
}

func unix(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	seconds := t.Unix()
	return &seconds
}

func (v *Vault) id(s *stored, version string) string {
	id := v.options.URL + "/secrets/" + s.Name
	if version != "" {
		id += "/" + version
	}
	return id
}

func notFound(w http.ResponseWriter, what string) {
	refuse(w, http.StatusNotFound, "SecretNotFound", "", fmt.Sprintf("A secret with (name/id) %s was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182", what))
}

func (v *Vault) get(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	name, wanted := r.PathValue("name"), r.PathValue("version")
	s := v.live(name)
	if s == nil {
		notFound(w, name)
		return
	}
	n := s.current()
	if wanted != "" {
		i := slices.IndexFunc(s.Versions, func(n version) bool { return n.ID == wanted })
		if i < 0 {
			notFound(w, name+"/"+wanted)
			return
		}
		n = &s.Versions[i]
	}
	if n.Disabled {
		refuse(w, http.StatusForbidden, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret.")
		return
	}
	b := v.bundle(s, n, v.id(s, n.ID))
	b.Value = &n.Value
	write(w, http.StatusOK, b)
}

func (v *Vault) list(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var items []bundle
	for _, name := range v.names() {
		s := v.secrets[name]
		items = append(items, v.bundle(s, s.current(), v.id(s, "")))
	}
	v.page(w, r, items)
}

func (v *Vault) versions(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.live(r.PathValue("name"))
	if s == nil {
		notFound(w, r.PathValue("name"))
		return
	}
	var items []bundle
	for i := range s.Versions {
		items = append(items, v.bundle(s, &s.Versions[i], v.id(s, s.Versions[i].ID)))
	}
	slices.SortFunc(items, func(a, b bundle) int { return strings.Compare(a.ID, b.ID) }) // not by age
	v.page(w, r, items)
}

// page answers a part of the items, and where the next part is.
func (v *Vault) page(w http.ResponseWriter, r *http.Request, items []bundle) {
	q := r.URL.Query()
	size := MaxPage
	if text := q.Get("maxresults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > MaxPage {
			refuse(w, http.StatusBadRequest, "BadParameter", "", fmt.Sprintf("Invalid maxresults: %s. It must be from 1 to %d.", text, MaxPage))
			return
		}
		size = n
	}
	from := 0
	if text := q.Get("$skiptoken"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > len(items) {
			refuse(w, http.StatusBadRequest, "BadParameter", "", "Invalid $skiptoken.")
			return
		}
		from = n
	}
	to := min(from+size, len(items))
	answer := struct {
		Value    []bundle `json:"value"`
		NextLink *string  `json:"nextLink"`
	}{Value: append([]bundle{}, items[from:to]...)}
	if to < len(items) {
		next := url.Values{"api-version": {q.Get("api-version")}, "maxresults": {strconv.Itoa(size)}, "$skiptoken": {strconv.Itoa(to)}}
		link := v.options.URL + strings.TrimSuffix(r.URL.Path, "/") + "?" + next.Encode()
		answer.NextLink = &link
	}
	write(w, http.StatusOK, answer)
}

// maxBody bounds the body of a request to set a secret, whose value JSON may escape.
const maxBody = 8 * MaxValue

func (v *Vault) set(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "BadParameter", "", "The content type must be application/json.")
		return
	}
	var in struct {
		Value       *string           `json:"value"`
		ContentType string            `json:"contentType"`
		Tags        map[string]string `json:"tags"`
		Attributes  wireAttributes    `json:"attributes"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&in); err != nil || in.Value == nil {
		refuse(w, http.StatusBadRequest, "BadParameter", "", "Property has invalid value: value")
		return
	}
	if len(*in.Value) > MaxValue {
		refuse(w, http.StatusBadRequest, "BadParameter", "", fmt.Sprintf("Invalid value: its length is %d, but at most %d bytes are allowed.", len(*in.Value), MaxValue))
		return
	}
	a := Attributes{ContentType: in.ContentType, Tags: in.Tags, Disabled: in.Attributes.Enabled != nil && !*in.Attributes.Enabled}
	if in.Attributes.NotBefore != nil {
		a.NotBefore = time.Unix(*in.Attributes.NotBefore, 0).UTC()
	}
	if in.Attributes.Expires != nil {
		a.Expires = time.Unix(*in.Attributes.Expires, 0).UTC()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	s, err := v.put(r.PathValue("name"), *in.Value, a)
	switch {
	case errors.Is(err, ErrDeleted):
		refuse(w, http.StatusConflict, "Conflict", "ObjectIsDeletedButRecoverable", fmt.Sprintf("Secret %s is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can be recovered or purged.", r.PathValue("name")))
	case err != nil:
		refuse(w, http.StatusInternalServerError, "InternalServerError", "", err.Error())
	default:
		b := v.bundle(s, s.current(), v.id(s, s.current().ID))
		b.Value = in.Value
		write(w, http.StatusOK, b)
	}
}

func (v *Vault) delete(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.live(r.PathValue("name"))
	if s == nil {
		notFound(w, r.PathValue("name"))
		return
	}
	if err := v.drop(s); err != nil {
		refuse(w, http.StatusInternalServerError, "InternalServerError", "", err.Error())
		return
	}
	write(w, http.StatusOK, v.bundle(s, s.current(), v.id(s, s.current().ID)))
}

func (v *Vault) getDeleted(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	name := r.PathValue("name")
	s := v.secrets[strings.ToLower(name)]
	if s == nil || s.Deleted == nil {
		refuse(w, http.StatusNotFound, "SecretNotFound", "", fmt.Sprintf("Deleted Secret not found: %s", name))
		return
	}
	write(w, http.StatusOK, v.bundle(s, s.current(), v.id(s, s.current().ID)))
}

package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	yaml "github.com/goccy/go-yaml"

	"github.com/slipway-cd/slipway/internal/secret"
)

// File is a store for development: one YAML file of names and texts, encrypted with age (age-encryption.org/v1), binary or
// armoured. Nothing is locked: two programs that set variables at the same moment may lose one of the two.
type File struct {
	Path string
	// Identity is a file with the age identities that may read it, as age-keygen writes it.
	Identity string
	// Recipients are the age recipients that [File.Set] encrypts to: everybody who is to read the file.
	Recipients []string
	// Plain says that the file is not encrypted. One that is encrypted is refused then, and one that is not without it.
	Plain bool
}

var _ Reader = (*File)(nil)

// maxFile bounds the file in bytes.
const maxFile = 16 << 20

// Read implements [Reader]. Every change of the file gives all variables new versions.
func (f *File) Read(_ context.Context, refs []Ref) (Values, error) {
	refs, problems := distinct(refs)
	if len(problems) > 0 {
		return nil, readError(f.store(), len(refs), problems)
	}
	content, raw, err := f.open()
	if err != nil {
		return nil, err
	}
	values, known := Values{}, slices.Collect(maps.Keys(content))
	for _, ref := range refs {
		text, ok := content[ref.Name]
		version := fileVersion(ref.Name, raw)
		if !ok || ref.Version != "" && ref.Version != version {
			problems = append(problems, missing(ref, known))
			continue
		}
		values[ref] = Value{Ref: Ref{ref.Name, version}, Secret: secret.New(text), Source: f.store(), Open: f.Plain}
	}
	if err := readError(f.store(), len(refs), problems); err != nil {
		return nil, err
	}
	return values, nil
}

// List gives every variable, by name; never a value.
func (f *File) List(context.Context) ([]Info, error) {
	content, raw, err := f.open()
	if err != nil {
		return nil, err
	}
	var infos []Info
	for _, name := range slices.Sorted(maps.Keys(content)) {
		infos = append(infos, Info{Name: name, Version: fileVersion(name, raw), Enabled: true})
	}
	return infos, nil
}

// fileVersion is made of the file as it is, encrypted: it tells nothing about the value.
func fileVersion(name string, raw []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", name)
	h.Write(raw)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (f *File) store() string { return "the file " + f.Path }

func (f *File) broken(err error, format string, args ...any) error {
	return &StoreError{Store: f.store(), Trouble: Broken, Message: fmt.Sprintf(format, args...), Err: err}
}

// open reads, decrypts and checks the file.
func (f *File) open() (map[string]string, []byte, error) {
	raw, err := readBounded(f.Path)
	if err != nil {
		return nil, nil, f.broken(err, "cannot be read: %v", err)
	}
	text, err := f.decrypt(raw)
	if err != nil {
		return nil, nil, err
	}
	content, err := parseVariables(text)
	if err != nil {
		return nil, nil, f.broken(err, "%v", err)
	}
	return content, raw, nil
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(raw) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return raw, err
}

const binaryHeader = "age-encryption.org/"

func (f *File) decrypt(raw []byte) ([]byte, error) {
	armoured := bytes.HasPrefix(bytes.TrimSpace(raw), []byte(armor.Header))
	encrypted := armoured || bytes.HasPrefix(raw, []byte(binaryHeader))
	switch {
	case f.Plain && encrypted:
		return nil, f.broken(nil, "is encrypted, but the configuration says that it is plain: correct one of them")
	case f.Plain:
		return raw, nil
	case !encrypted:
		return nil, f.broken(nil, "is not encrypted: encrypt it (age -r RECIPIENT -a -o FILE), or say that it is plain, which is for values that may be seen")
	}
	identities, err := f.identities()
	if err != nil {
		return nil, err
	}
	var in io.Reader = bytes.NewReader(raw)
	if armoured {
		in = armor.NewReader(in)
	}
	out, err := age.Decrypt(in, identities...)
	var other *age.NoIdentityMatchError
	if errors.As(err, &other) {
		return nil, f.broken(err, "is encrypted for others: no identity of %s can read it", f.Identity)
	}
	if err != nil {
		return nil, f.broken(err, "cannot be decrypted: %v", err)
	}
	text, err := io.ReadAll(out)
	if err != nil {
		return nil, f.broken(err, "cannot be decrypted, it was cut or changed: %v", err)
	}
	return text, nil
}

func (f *File) identities() ([]age.Identity, error) {
	if f.Identity == "" {
		return nil, f.broken(nil, "is encrypted, and no age identity is given to read it with")
	}
	raw, err := readBounded(f.Identity)
	if err != nil {
		return nil, f.broken(err, "needs an age identity, but that cannot be read: %v", err)
	}
	identities, err := age.ParseIdentities(bytes.NewReader(raw))
	if err != nil {
		// The parser's message would show what it could not read.
		return nil, f.broken(nil, "needs an age identity, but %s does not hold one: age-keygen makes one", f.Identity)
	}
	return identities, nil
}

// Set writes a variable, into a new file if there is none. The file is replaced in one step.
func (f *File) Set(_ context.Context, name string, value secret.Secret) (Ref, error) {
	if err := checkNew(name, value); err != nil {
		return Ref{}, err
	}
	content := map[string]string{}
	if _, err := os.Stat(f.Path); err == nil {
		if content, _, err = f.open(); err != nil {
			return Ref{}, err
		}
	}
	content[name] = value.Reveal()
	text, err := yaml.Marshal(content)
	if err != nil {
		return Ref{}, f.broken(nil, "cannot be written: the values cannot be encoded")
	}
	raw, err := f.encrypt(text)
	if err != nil {
		return Ref{}, err
	}
	if err := replaceFile(f.Path, raw); err != nil {
		return Ref{}, f.broken(err, "cannot be written: %v", err)
	}
	return Ref{name, fileVersion(name, raw)}, nil
}

func (f *File) encrypt(text []byte) ([]byte, error) {
	if f.Plain {
		return text, nil
	}
	if len(f.Recipients) == 0 {
		return nil, f.broken(nil, "is to be encrypted, but no recipients are given: name everybody's age recipient, or those who are left out can no longer read it")
	}
	recipients, err := age.ParseRecipients(strings.NewReader(strings.Join(f.Recipients, "\n")))
	if err != nil {
		return nil, f.broken(err, "cannot be encrypted: %v", err)
	}
	var out bytes.Buffer
	armoured := armor.NewWriter(&out)
	w, err := age.Encrypt(armoured, recipients...)
	if err != nil {
		return nil, f.broken(err, "cannot be encrypted: %v", err)
	}
	if _, err = w.Write(text); err == nil {
		err = errors.Join(w.Close(), armoured.Close())
	}
	if err != nil {
		return nil, f.broken(err, "cannot be encrypted: %v", err)
	}
	return out.Bytes(), nil
}

// replaceFile writes a file that its owner alone may read, in one step. Nothing is left behind when that fails.
func replaceFile(path string, raw []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(raw)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(tmp.Name()))
	}
	return err
}
